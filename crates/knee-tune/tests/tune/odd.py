# A service of POOL_SIZE workers that behaves as its first argument says, and by the path asked for.
import mmap, os, socket, sys, threading, time

manner, port = sys.argv[1], int(sys.argv[2])
print("manner:", manner, flush=True)
if manner == "crashes":
    print("cannot connect to the database", file=sys.stderr)
    sys.exit(3)
if manner == "eats":
    kept = mmap.mmap(-1, 1 << 30)
    for page in range(0, 1 << 30, mmap.PAGESIZE):
        kept[page] = 1
if manner == "sleeps":
    time.sleep(600)
if manner == "forks" and os.fork():
    sys.exit(0)
if manner == "starts" and not os.fork():
    # One of its processes still loads when the port is open.
    while time.process_time() < 0.5:
        pass
    os._exit(0)

pool = threading.Semaphore(int(os.environ.get("POOL_SIZE", "1")))
asked = 0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(connection):
    global asked
    text = b""
    while True:
        while b"\r\n\r\n" not in text:
            more = connection.recv(4096)
            if not more:
                return
            text += more
        head, _, text = text.partition(b"\r\n\r\n")
        path = head.split(b" ")[1]
        if path == b"/count":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n%06d" % asked)
            continue
        asked += 1
        if path == b"/closes":
            return
        if path == b"/garbage":
            connection.sendall(b"SSH-2.0-odd\r\n")
            return
        if path == b"/missing":
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            continue
        if path == b"/secret":
            print("the token is", os.environ["API_TOKEN"], flush=True)
            return
        if path == b"/dies" and asked > 9:
            print("out of luck", flush=True)
            os._exit(7)
        with pool:
            time.sleep(0.02)
        connection.sendall(OK)


def serve(connection):
    with connection:
        try:
            answer(connection)
        except OSError:
            pass


with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
