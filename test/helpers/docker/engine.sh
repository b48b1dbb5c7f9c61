#!/usr/bin/env bash
# engine.sh outside dockerd|podman FOLDER reachable|hidden [more options of the program…]
# A Docker Engine, or podman's service that speaks like one, in namespaces of its own (network, processes, mounts), with its socket and its
# log in FOLDER, and its data in memory, DATA_MAX of it. It obeys lines on stdin ("start", or a signal's name) and ends with it, however its starter
# ended: the kernel then ends every process and mount in the namespaces, and what is left (cgroups, routes, FOLDER) is removed by the
# part that stayed outside.
set -u
PART=$1 PROGRAM=$2 FOLDER=$3 REACH=$4
shift 4

outside() {
  # Ctrl-C in a terminal is for the starter; this part goes by stdin.
  trap '' INT TERM HUP
  export NAME=gpudev-$$ NETWORK PARENT FIRST SECOND
  claim || exit
  # Within the memory limit of its starter; version 2 of cgroups has no groups below one with processes.
  PARENT=$(awk -F: '$2 == "memory" && $3 != "/" { print $3 }' /proc/self/cgroup)/$NAME
  unshare --net --pid --mount --mount-proc --fork -- "$0" inside "$PROGRAM" "$FOLDER" "$REACH" "$@" 4</proc/self/ns/net
  # In this order: with the device goes its route, and then these addresses may be another's.
  ip route del unreachable "$NETWORK" 2>/dev/null
  ip link del "$NAME" 2>/dev/null
  find /sys/fs/cgroup -depth -type d -path "*/$NAME*" -exec rmdir {} \; 2>/dev/null
  for id in $(cat "$FOLDER/groups" 2>/dev/null); do
    find /sys/fs/cgroup -depth -type d -path "*/libpod-$id*" -exec rmdir {} \; 2>/dev/null
  done
  rm -rf "$FOLDER"
}

# Addresses that no other has; what is sent to them and finds no way does not leave the machine by its default route.
claim() {
  for ((i = $$; i < $$ + 2048; i++)); do
    FIRST=10.$((128 + i / 16 % 128)) SECOND=$((i % 16 * 16))
    NETWORK=$FIRST.$SECOND.0/20
    ip route add unreachable "$NETWORK" 2>/dev/null && return
  done
  return 1
}

# Where an engine looks and leaves things whatever it is told: this one finds and leaves nothing.
cover() {
  mkdir -p /etc/docker
  mount -t tmpfs tmpfs /etc/docker
  mount -t tmpfs tmpfs /run
  # Engines write everything through to the medium, which takes seconds where other tests do so, too.
  mkdir -p "$FOLDER/data"
  mount -t tmpfs -o size="$DATA_MAX" tmpfs "$FOLDER/data"
}

# In the network that the starter is in.
starters_ip() { nsenter --net=/proc/self/fd/4 ip "$@"; }

connect() {
  ip link set lo up
  if [ "$REACH" = hidden ]; then return; fi
  echo "$FIRST.$SECOND.2" >"$FOLDER/address"
  starters_ip link add "$NAME" type veth peer name eth0 netns $$
  starters_ip addr add "$FIRST.$SECOND.1/30" dev "$NAME"
  starters_ip link set "$NAME" up
  ip addr add "$FIRST.$SECOND.2/30" dev eth0
  ip link set eth0 up
  starters_ip route replace "$NETWORK" via "$FIRST.$SECOND.2"
  # The engine lets nobody in who comes from another machine, as this looks to it.
  iptables -N DOCKER-USER
  iptables -A DOCKER-USER -i eth0 -j ACCEPT
}

# The program, which takes the place of this shell.
dockerd_on() {
  export DOCKER_INSECURE_NO_IPTABLES_RAW=1 PATH=$FOLDER/hooks:$PATH
  exec dockerd --data-root "$FOLDER/data" --exec-root "$FOLDER/exec" --pidfile "$FOLDER/docker.pid" --host "unix://$1" \
    --cgroup-parent "$PARENT" --exec-opt native.cgroupdriver=cgroupfs \
    --bip "$FIRST.$((SECOND + 1)).1/24" --default-address-pool "base=$FIRST.$((SECOND + 8)).0/21,size=26" "${@:2}"
}

podman_on() {
  export CONTAINERS_CONF=$FOLDER/containers.conf CONTAINERS_REGISTRIES_CONF=$FOLDER/registries.conf
  cat >"$CONTAINERS_CONF" <<END
[network]
default_subnet = "$FIRST.$((SECOND + 1)).0/24"
default_subnet_pools = [{ base = "$FIRST.$((SECOND + 8)).0/21", size = 26 }]
network_config_dir = "$FOLDER/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
  # Without TLS: those of the tests, on the other end of the cable. It takes no range of addresses, and reads this once.
  for port in 5000 5001 5002; do
    printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$FIRST.$SECOND.1:$port"
  done >"$CONTAINERS_REGISTRIES_CONF"
  exec podman --root "$FOLDER/data" --runroot /run/podman "${@:2}" system service --time 0 "unix://$1"
}

start() {
  local socket=$FOLDER/docker.sock
  rm -f "$socket"
  "${PROGRAM}_on" "$socket" "$@" >>"$FOLDER/log" 2>&1 </dev/null 4<&- &
  engine=$!
  while kill -0 $engine 2>/dev/null && ! [ -S "$socket" ]; do sleep 0.02; done
  echo begun
}

inside() {
  set -e
  cover
  connect
  set +e
  while read -r order; do
    if [ "$order" = start ]; then
      start "$@"
    else
      kill -s "$order" $engine
      # The shell tells of a job that was killed; one that stands still has not ended.
      [[ $order == STOP || $order == CONT ]] || wait $engine 2>/dev/null
      echo ended
    fi
  done
  # podman takes no parent for its cgroups.
  ls "$FOLDER/data/overlay-containers" >"$FOLDER/groups" 2>/dev/null
}

"$PART" "$@"
