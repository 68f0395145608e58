# gunicorn reads this file by itself, from the folder that it is started in.
bind = "127.0.0.1:8082"

# "2 x cores + 1" as in gunicorn's documentation, for the two cores that a small Fargate task
# sees. It is written for workers that serve one request at a time, which these are not.
workers = 5

# Longer than a load balancer keeps an idle connection, so that it never uses one that closes.
keepalive = 75

# A socket in the home folder that nobody uses.
control_socket_disable = True
