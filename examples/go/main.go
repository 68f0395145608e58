// An orders API on net/http.
//
//	GET /health                        200 when it serves
//	GET /api/orders?limit=20&wait=20   `limit` orders; the backend answers after `wait` ms
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

var (
	backendURL = cmp.Or(os.Getenv("BACKEND_URL"), "http://127.0.0.1:9400")
	// The default transport keeps two idle connections to a host and would open a new one for
	// nearly every request.
	backend = &http.Client{
		Timeout:   15 * time.Second,
		Transport: &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute},
	}
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []byte(`{"status":"ok"}`))
	})
	mux.HandleFunc("GET /api/orders", listOrders)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, []byte(`{"error":"not found"}`))
	})
	server := &http.Server{
		Addr:              "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "8084"),
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second,
	}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	drained := make(chan error, 1)
	go func() {
		<-stop.Done()
		// ListenAndServe returns as soon as this starts; main waits until it is done.
		drained <- server.Shutdown(context.Background())
	}()
	// No access log: it costs CPU and disk on every request.
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-drained; err != nil {
		log.Fatal(err)
	}
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	t, err := fetchTerms(r.Context(), number(query, "wait", 20, 10_000))
	if err != nil {
		answer(w, http.StatusBadGateway, []byte(`{"error":"backend unavailable"}`))
		return
	}
	body, err := ordersJSON(number(query, "limit", 20, 1000), t)
	if err != nil {
		answer(w, http.StatusInternalServerError, []byte(`{"error":"orders cannot be encoded"}`))
		return
	}
	answer(w, http.StatusOK, body)
}

// number is a whole number from the query, at most maximum; missing where there is none.
func number(query url.Values, name string, missing, maximum int) int {
	text := query.Get(name)
	value, err := strconv.ParseUint(text, 10, 32)
	if err != nil || len(text) > 6 {
		return missing
	}
	return min(int(value), maximum)
}

func fetchTerms(ctx context.Context, wait int) (terms, error) {
	var t terms
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/terms?wait=%d", backendURL, wait), nil)
	if err != nil {
		return t, err
	}
	response, err := backend.Do(request)
	if err != nil {
		return t, err
	}
	defer response.Body.Close()
	// Read to the end, so that the connection is used again.
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return t, err
	}
	if response.StatusCode != http.StatusOK {
		return t, fmt.Errorf("the backend answered %s", response.Status)
	}
	return t, json.Unmarshal(body, &t)
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// An error here is a client that has gone: there is nobody to tell.
	_, _ = w.Write(body)
}
