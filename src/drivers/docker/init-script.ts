/**
 * PID 1 of a pod: `init USER`, in tools' bash, with root's rights in the container as far as the container has them. It makes an account
 * `dev` for who logs in, which is the image's user under that name, starts sshd, writes down what it says, and ends the pod when sshd
 * ends or GRACE_S after its deadline, whether or not a server still exists. How it ends is told by its exit status (death.ts). All of
 * it is in the pod's own layer: the image is as it was.
 */
import { NOTICE_FILE } from "../driver.ts";
import { LOCK_FUNCTION } from "../local-disks/lock.ts";
import { EXIT } from "./death.ts";
import { ENTRYPOINT_ENDED } from "./entrypoint.ts";
import { TOLD } from "./init-line.ts";
import { CONTROL, DISK, GRACE_S, HOME } from "./places.ts";
import { TELLER } from "./script.ts";
import { BASH, TOOLS } from "./tools.ts";

export const INIT_SCRIPT = `set -u
control=${CONTROL} user=\${1%%:*} group=
[ "$1" = "$user" ] || group=\${1#*:}
PATH=${TOOLS}/bin
umask 022
cd /

# What is said goes through here: a number in front of each line, as long as the pod lives.
mkfifo -m 600 "$control/say"
exec 5<>"$control/say"
number() {
  local n=0 line
  while IFS= read -r line <&5 && [ "$line" != end ]; do
    printf '%s %s\\n' "$((n += 1))" "\${line%$'\\r'}"
  done
}
number ${TELLER}<&- &
numbering=$!
end() {
  trap '' TERM
  printf '%s\\nend\\n' "$2" >&5
  wait "$numbering"
  exit "$1"
}
trap 'end ${EXIT.told} "it was told to end"' TERM

# As long as a process of this pod is there, nobody else has the disk; this one has no pipes of others to keep it open.
${LOCK_FUNCTION}
if [ -d ${DISK} ]; then
  exec 6<${DISK}
  lock 6 || end ${EXIT.disk} "another pod has the disk, or it is being copied"
fi

# An account of the image, by its name or its number.
touch_file() { [ -e "$1" ] || : >"$1"; }
touch_file /etc/passwd
touch_file /etc/group
name= uid= gid= shell=
while IFS=: read -r a _ b c _ _ d; do
  if [ "$a" = "\${user:-root}" ] || [ "$b" = "\${user:-0}" ]; then
    name=$a uid=$b gid=$c shell=$d
    break
  fi
done </etc/passwd
if [ -z "$uid" ]; then
  case \${user:-0} in
    *[!0-9]*) end ${EXIT.user} "the image's user $user is not in its /etc/passwd" ;;
    *) uid=\${user:-0} gid=0 ;;
  esac
fi
if [ -n "$group" ]; then
  while IFS=: read -r a _ b _; do
    [ "$a" = "$group" ] && group=$b && break
  done </etc/group
  case $group in
    *[!0-9]*) end ${EXIT.user} "the image's group $group is not in its /etc/group" ;;
    *) gid=$group ;;
  esac
fi
case $shell in
  */nologin | */false | '') shell= ;;
esac
for candidate in "$shell" /bin/bash /bin/sh ${BASH}; do
  [ -n "$candidate" ] && [ -x "$candidate" ] && shell=$candidate && break
done

# What is in a file, without a program, each of which is time until somebody can log in.
contents() {
  IFS= read -r -d '' REPLY <"$1"
  REPLY=\${REPLY%$'\\n'}
}

# In front, so that the account's number has this name and this home; the others stay.
contents /etc/group
groups=$REPLY
contents /etc/passwd
accounts=$REPLY
{
  echo "dev:*:$uid:$gid:gpu-dev:${HOME}:$shell"
  [ -z "$accounts" ] || printf '%s\\n' "$accounts"
  case $'\\n'$accounts in
    *$'\\n'sshd:*) ;;
    *) echo "sshd:*:61074:61074::/run/sshd:/bin/false" ;;
  esac
} >/etc/passwd
case $'\\n'$groups in
  *:"$gid":*) ;;
  *) echo "dev:x:$gid:" >>/etc/group ;;
esac
used=
[ ! -d ${HOME} ] || used=$(find ${HOME} -mindepth 1 -print -quit)
mkdir -p /run/sshd /var/empty /var/log /tmp ${HOME} /etc/ssh
touch_file /var/log/lastlog
if [ -z "$used" ]; then
  [ ! -d /etc/skel ] || cp -R /etc/skel/. ${HOME} 2>/dev/null
  chown -R "$uid:$gid" ${HOME}
  chmod 700 ${HOME}
else
  # A disk may have been made with another image: its files stay whose they are, and their number does not matter.
  chown "$uid:$gid" ${HOME}
  rm -f ${HOME}/${NOTICE_FILE} 2>/dev/null
fi
# A login shell begins with a PATH of its own.
if [ -d /etc/profile.d ] && [ -e "$control/profile" ]; then
  contents "$control/profile"
  printf '%s\\n' "$REPLY" >/etc/profile.d/gpu-dev.sh
fi
if [ -e "$control/ssh_config" ]; then
  chown "$uid" "$control/peer_key"
  others=$(cat /etc/ssh/ssh_config 2>/dev/null)
  { cat "$control/ssh_config"; printf '%s\\n' "$others"; } >/etc/ssh/ssh_config
fi

read -r seconds <"$control/seconds"
printf -v now '%(%s)T' -1
echo "$((now + seconds))" >"$control/deadline"
sshd -D -e -f "$control/sshd_config" 2>&5 5<&- 6<&- ${TELLER}<&- &
sshd=$!
entrypoint=
[ ! -e "$control/entrypoint" ] || { bash "$control/entrypoint" "$uid" "$gid" 5<&- 6<&- ${TELLER}<&- & entrypoint=$!; }
mkfifo -m 600 "$control/tick"
exec 4<>"$control/tick"

# Who launched the pod may tell it more. When that one is gone, we read from a pipe in which nothing ever comes.
alone() { exec ${TELLER}<&4; }
obey() {
  local script said
  IFS= read -r -t 1 -u ${TELLER} -N "$1" script || return
  said=$(eval "$script" 2>&1 ${TELLER}<&- 5<&- 6<&-)
  printf '${TOLD} %s %s\\n' "$?" "\${said//$'\\n'/ }"
}
while kill -0 "$sshd" 2>/dev/null; do
  read -r deadline <"$control/deadline"
  printf -v now '%(%s)T' -1
  [ "$now" -lt "$((deadline + ${GRACE_S}))" ] || end ${EXIT.deadline} "its deadline passed"
  if [ -n "$entrypoint" ] && ! kill -0 "$entrypoint" 2>/dev/null; then
    wait "$entrypoint"
    echo "${ENTRYPOINT_ENDED} $?" >&5
    entrypoint=
  fi
  # Reading is a way to wait that starts no process.
  size=
  IFS= read -r -t 1 -u ${TELLER} size
  case $? in
    0) obey "$size" || alone ;;
    1) alone ;;
    *) [ -z "$size" ] || alone ;;
  esac
done
wait "$sshd"
end ${EXIT.sshd} "sshd ended with status $?"
`.replace(
  "\nsshd -D",
  // An absolute path: sshd runs itself again for each connection.
  `\n${TOOLS}/bin/sshd -D`,
);
