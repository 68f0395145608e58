<?php

/*
 * An orders API on PHP-FPM.
 *
 * GET /health                        200 when it serves
 * GET /api/orders?limit=20&wait=20   `limit` orders; the backend answers after `wait` ms
 */

declare(strict_types=1);

require __DIR__ . '/../orders.php';

const BACKEND_TIMEOUT = 15; // seconds

function answer(int $status, string $body): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($body));
    echo $body;
}

/** A whole number from the query, at most $max; $missing where there is none. */
function number(string $name, int $missing, int $max): int
{
    $text = $_GET[$name] ?? '';
    return is_string($text) && preg_match('/^[0-9]{1,6}$/D', $text) ? min((int) $text, $max) : $missing;
}

/**
 * Asks the backend. The connection is persistent: it stays open in this FPM child when the
 * request is over, and the child's next request goes on with it.
 *
 * @return array{discount: int, tax: int}|null null where the backend does not answer
 */
function fetchTerms(int $wait): ?array
{
    $url = parse_url(getenv('BACKEND_URL') ?: 'http://127.0.0.1:9400');
    [$host, $port] = [$url['host'], $url['port'] ?? 80];
    // A second time where the backend had closed the idle connection: the request is safe to repeat.
    for ($attempt = 0; $attempt < 2; $attempt++) {
        $backend = @pfsockopen($host, $port, $code, $message, BACKEND_TIMEOUT);
        if ($backend === false) {
            return null;
        }
        $terms = requestTerms($backend, "$host:$port", $wait);
        if ($terms !== null) {
            return $terms;
        }
        fclose($backend);
    }
    return null;
}

/**
 * @param resource $backend
 * @return array{discount: int, tax: int}|null null where the connection is of no more use
 */
function requestTerms($backend, string $host, int $wait): ?array
{
    stream_set_timeout($backend, BACKEND_TIMEOUT);
    @fwrite($backend, "GET /terms?wait=$wait HTTP/1.1\r\nHost: $host\r\n\r\n");
    $status = fgets($backend);
    if ($status === false || !str_contains($status, ' 200 ')) {
        return null;
    }
    $length = 0;
    while (($line = fgets($backend)) !== false && $line !== "\r\n") {
        if (stripos($line, 'content-length:') === 0) {
            $length = (int) trim(substr($line, 15));
        }
    }
    $body = stream_get_contents($backend, $length);
    return $body === false ? null : json_decode($body, true);
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/health') {
    answer(200, '{"status":"ok"}');
} elseif ($path !== '/api/orders') {
    answer(404, '{"error":"not found"}');
} else {
    $terms = fetchTerms(number('wait', 20, 10_000));
    if ($terms === null) {
        answer(502, '{"error":"backend unavailable"}');
    } else {
        answer(200, ordersJson(number('limit', 20, 1000), $terms));
    }
}
