# A RabbitMQ of one's own, with its files in $DATA, on 127.0.0.1:$PORT; $NODE_PORT and $EPMD_PORT are
# its inner ports. With $CERT and $KEY it listens on $TLS_PORT, too, with that certificate. Says
# "ready", and ends when its standard input does: the system closes that pipe when whoever holds it
# ends, be it by `kill -9`, so no server is ever left behind.
#
# Nothing of an installed RabbitMQ is read or touched: it has its own node name, cookie, settings,
# and its own epmd (the daemon that knows on which port an Erlang node listens).
trap '' INT TERM HUP
export HOME="$DATA" LC_ALL=C
export RABBITMQ_CONF_ENV_FILE="$DATA/env" RABBITMQ_CONFIG_FILE="$DATA/rabbitmq.conf"
export RABBITMQ_ADVANCED_CONFIG_FILE="$DATA/advanced.config"
export RABBITMQ_ENABLED_PLUGINS_FILE="$DATA/plugins" RABBITMQ_PID_FILE="$DATA/erlang.pid"
export RABBITMQ_GENERATED_CONFIG_DIR="$DATA/config" RABBITMQ_SCHEMA_DIR="$DATA/schema"
export RABBITMQ_MNESIA_BASE="$DATA/mnesia" RABBITMQ_LOG_BASE="$DATA/log"
export RABBITMQ_LOGS="$DATA/log/rabbitmq.log"
# The Erlang process itself is our child then, and no shell around it.
export RUNNING_UNDER_SYSTEMD=true
export RABBITMQ_NODENAME=natter-test@localhost RABBITMQ_DIST_PORT="$NODE_PORT"
export ERL_EPMD_PORT="$EPMD_PORT" ERL_EPMD_ADDRESS=127.0.0.1
mkdir -p "$DATA/log"
rm -f "$DATA/log/rabbitmq.log"
echo '[].' > "$DATA/plugins"
echo "listeners.tcp.1 = 127.0.0.1:$PORT" > "$DATA/rabbitmq.conf"
if [ -n "$CERT" ]; then
    echo "listeners.ssl.1 = 127.0.0.1:$TLS_PORT"
    echo "ssl_options.certfile = $CERT"
    echo "ssl_options.keyfile = $KEY"
    echo "ssl_options.verify = verify_none"
fi >> "$DATA/rabbitmq.conf"
"$BIN/rabbitmq-server" > "$DATA/log/start" 2>&1 < /dev/null &
server=$!
echo "$server" > "$DATA/pid"
until grep -q 'Server startup complete' "$DATA/log/rabbitmq.log" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || { cat "$DATA/log/start" >&2; exit 1; }
    sleep 0.1
done
echo ready
cat > /dev/null
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
# Refuses for a moment, until it has noticed that its node is gone.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    epmd -port "$EPMD_PORT" -kill 2>/dev/null | grep -q Killed && break
    sleep 0.1
done
[ -z "$KEEP" ] && rm -rf "$DATA"
