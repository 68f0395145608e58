// A service with what looks like a leak for a while: a cache that fills, garbage. With LEAK each request leaves
// something behind: memory (AMOUNT bytes), descriptor or goroutine (AMOUNT of them). It serves expvar and pprof.
package main

import (
	"bytes"
	_ "expvar"
	"log"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strconv"
	"sync"
)

var (
	amount, _ = strconv.Atoi(os.Getenv("AMOUNT"))
	leak      = os.Getenv("LEAK")
	lock      sync.Mutex
	cache     = map[int][]float64{}
	kept      [][]byte
	files     []*os.File
	served    int
)

func main() {
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		served++
		cache[served%2000] = make([]float64, 500)
		switch leak {
		case "memory":
			kept = append(kept, bytes.Repeat([]byte("x"), amount))
		case "descriptor":
			for range amount {
				file, err := os.Open(os.DevNull)
				if err != nil {
					log.Fatal(err)
				}
				files = append(files, file)
			}
		case "goroutine":
			for range amount {
				go func() { select {} }()
			}
		}
		_, _ = w.Write([]byte("done"))
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
