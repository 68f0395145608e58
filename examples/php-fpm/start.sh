#!/bin/sh
# Both programs of the container: FPM in the background, nginx as the first process.
set -e
mkdir -p /run/php
php-fpm8.2 --nodaemonize --force-stderr &
exec nginx -e stderr -g 'daemon off;'
