<?php
// Executed by knee over FastCGI: what the OPcache of this FPM says of itself, as flat JSON.
// Nothing where opcache.restrict_api keeps this script out.
header('Content-Type: application/json');
$status = function_exists('opcache_get_status') ? @opcache_get_status(false) : false;
if ($status === false) {
    echo ini_get('opcache.restrict_api') ? '{}' : '{"enabled":0}';
    return;
}
$memory = $status['memory_usage'];
$interned = $status['interned_strings_usage'] ?? [];
$statistics = $status['opcache_statistics'];
echo json_encode([
    'enabled' => (int) $status['opcache_enabled'],
    'memory_used' => $memory['used_memory'],
    'memory_free' => $memory['free_memory'],
    'memory_wasted' => $memory['wasted_memory'],
    'interned_used' => $interned['used_memory'] ?? null,
    'interned_free' => $interned['free_memory'] ?? null,
    'scripts' => $statistics['num_cached_scripts'],
    'keys' => $statistics['num_cached_keys'],
    'max_keys' => $statistics['max_cached_keys'],
    'hits' => $statistics['hits'],
    'misses' => $statistics['misses'],
    'oom_restarts' => $statistics['oom_restarts'],
    'hash_restarts' => $statistics['hash_restarts'],
    'manual_restarts' => $statistics['manual_restarts'],
]);
