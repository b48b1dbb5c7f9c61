/**
 * The init of a pod: `init --pod=DIR CONTROL SSHD GRACE_S PORT…`. PID 1 in namespaces, an ordinary process otherwise. It starts
 * sshd on the first port that is free, reaps what is orphaned (bash does), and ends the pod when sshd ends or GRACE_S after the
 * deadline, whether or not a server still exists, or when its directory has been removed, since then nobody can end or extend it any
 * more. It writes a line to file descriptor 3, for which launch waits, once it runs.
 */
import { LINES_PER_FILE } from "./said.ts";

export const INIT_SCRIPT = `set -u
dir=\${1#--pod=} control=$2 sshd=$3 grace=$4
shift 4
cd /
umask 022

# The first reason is the one that counts.
died() {
  printf '%s\\n' "$1" >"$control/died.$$"
  ln "$control/died.$$" "$control/died" 2>/dev/null
  rm -f "$control/died.$$"
}

# How many processes of the machine the kernel has killed for want of memory, as $kills; empty where it does not tell.
kills=
count_kills() {
  local name value
  [ -r /proc/vmstat ] || return
  while read -r name value; do
    [ "$name" = oom_kill ] && kills=$value && return
  done </proc/vmstat
}

# Sessions are known by a variable that this script does not have; sshd, which overwrites its own, by where its errors go.
parts() {
  if [ -r /proc/self/environ ]; then
    grep -lzxF "GPU_DEV_POD_DIR=$dir" /proc/[0-9]*/environ | cut -d/ -f3
    for file in /proc/[0-9]*/fd/2; do
      [ "$file" -ef "$control/log" ] && file=\${file#/proc/} && echo "\${file%%/*}"
    done
  else
    ps -axEww -o pid= -o command= | awk -v mark=" GPU_DEV_POD_DIR=$dir " 'index($0 " ", mark) { print $1 }'
  fi
}

# As PID 1 it is enough to end; an ordinary process has to look for the others.
sweep() {
  [ "$$" -eq 1 ] && return
  local pids round
  for round in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(parts)
    [ -z "$pids" ] && return
    kill -KILL $pids
  done
}

# What sshd said since the last time, with its number and time. Nobody stands between sshd and its log who could be late, or die. Of
# a log that got long the beginning goes when all of it is written down.
note() {
  local line= lines=0
  while [ $((lines += 1)) -le ${LINES_PER_FILE} ] && IFS= read -r line <&5; do
    printf '%s %s %s\\n' "$((number += 1))" "$now" "$begun$line" >>"$control/said"
    begun= line=
    [ $((number % ${LINES_PER_FILE})) -ne 0 ] || mv "$control/said" "$control/said.1"
  done
  begun=$begun$line
  [ "$lines" -gt ${LINES_PER_FILE} ] || [ -n "$begun" ] || [ $((number - cleared)) -lt 10000 ] && return
  cleared=$number
  : >"$control/log"
  echo "$cleared" >"$control/cleared"
  exec 5<"$control/log"
}

watchdog() {
  local deadline= now end ticks=0 gone=0 sampled=$kills recorded=$kills number=0 cleared=0 begun=
  exec 5<"$control/log"
  while :; do
    # What is recorded is a sample old: a kill that ends the pod is always new to it.
    if [ $((ticks += 1)) -ge 10 ]; then
      ticks=0
      [ "$recorded" = "$sampled" ] || echo "$sampled" >"$control/oom"
      recorded=$sampled
      count_kills
      sampled=$kills
    fi
    end=
    read -r deadline <"$control/deadline"
    printf -v now '%(%s)T' -1 2>/dev/null || now=$(date +%s)
    note
    kill -0 "$listener" || exit
    [ -n "$deadline" ] && [ "$now" -ge $((deadline + grace)) ] && end="its deadline passed"
    # Not at once: a file system may have a bad moment.
    if [ -e "$control/deadline" ]; then gone=0; else gone=$((gone + 1)); fi
    [ "$gone" -ge 5 ] && end="its directory was removed"
    if [ -n "$end" ]; then
      died "$end"
      kill -KILL "$listener"
      sweep
      exit
    fi
    read -r -t 1 -u 4
  done
}

# sshd writes its pid file once it listens; one that does neither that nor end is given up after about 30 s.
listen() {
  local tries=0
  rm -f "$control/sshd.pid"
  GPU_DEV_POD_DIR=$dir "$sshd" -D -e -f "$control/sshd_config" -p "$1" 2>>"$control/log" &
  listener=$!
  while ! [ -s "$control/sshd.pid" ]; do
    kill -0 "$listener" 2>/dev/null || return 1
    [ $((tries += 1)) -lt 3000 ] || kill -KILL "$listener"
    sleep 0.01
  done
  echo "$1" >"$control/port.new" && mv "$control/port.new" "$control/port" && return
  kill -KILL "$listener"
  return 1
}

# Debian's sshd wants this directory, which its service makes, and that may never have run.
[ "$UID" -eq 0 ] && mkdir -p /run/sshd 2>/dev/null
# Reading from this pipe is a way to wait that starts no process; a line in it ends the wait.
mkfifo -m 600 "$control/tick" && exec 4<>"$control/tick" || exit 1
count_kills
echo "$kills" >"$control/oom"
# The server may be gone by now: then only the subshell ends of it.
(echo >&3) 2>/dev/null
exec 3>&-
# Before anybody can know that the pod runs, so that it can be told to end from then on.
listener= listening=
trap 'died "it was told to end"; [ -z "$listener" ] || kill -KILL "$listener"' TERM
for port; do
  [ -e "$control/died" ] && exit 1
  listen "$port" && listening=1 && break
done
if [ -z "$listening" ]; then
  died "sshd did not start: $(tail -n 1 "$control/log")"
  exit 1
fi
exec 2>/dev/null
watchdog &
dog=$!
wait "$listener"
status=$?
while kill -0 "$listener" 2>/dev/null; do
  wait "$listener"
  status=$?
done
case $status in
  137)
    before=
    read -r before <"$control/oom"
    count_kills
    if [ -z "$before" ] || [ -z "$kills" ]; then
      died "its sshd was killed (out of memory, or by hand)"
    elif [ "$kills" -gt "$before" ]; then
      died "out of memory: its sshd was killed as the machine's kernel ended processes for want of memory"
    else
      died "its sshd was killed, and not for want of memory"
    fi
    ;;
  *) died "sshd ended with status $status" ;;
esac
# It writes down what was said last.
echo >&4
wait "$dog"
sweep
exit "$status"
`;
