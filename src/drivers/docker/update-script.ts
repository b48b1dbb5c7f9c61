/**
 * Changes a pod that runs: `update SECONDS KEYS`, either empty, with what users are told in END_NOTICE and IDLE_NOTICE, where those are
 * set. Terminals that nobody reads are not waited for; what is in the home belongs to the user, who may have put a link there, so that
 * the file is made under another name and renamed. Ends with 1 when the file of the notices is not there.
 */
import { NOTICE_FILE } from "../driver.ts";
import { CONTROL, HOME } from "./places.ts";
import { TOOLS } from "./tools.ts";

export const UPDATE_SCRIPT = `set -u
PATH=${TOOLS}/bin
cd ${CONTROL}
umask 022
if [ -n "$1" ]; then
  printf -v now '%(%s)T' -1
  echo "$((now + $1))" >"deadline.$$" && mv "deadline.$$" deadline || exit 2
fi
if [ -n "$2" ]; then mv "$2" authorized_keys || exit 2; fi

said() { [ ! -e "$1" ] || cat "$1"; }
tell() {
  local terminal
  [ "$2" != "$(said "$1")" ] || return
  if [ -n "$2" ]; then
    for terminal in /dev/pts/[0-9]*; do
      [ -c "$terminal" ] || continue
      printf '\\r\\n%s\\r\\n' "\${2//$'\\n'/$'\\r\\n'}" | dd of="$terminal" oflag=nonblock,nofollow conv=notrunc status=none 2>/dev/null
    done
  fi
  printf '%s' "$2" >"$1.$$" && mv "$1.$$" "$1" || exit 2
  changed=1
}
changed=
[ -z "\${END_NOTICE+x}" ] || tell notice-end "$END_NOTICE"
[ -z "\${IDLE_NOTICE+x}" ] || tell notice-idle "$IDLE_NOTICE"
[ -n "$changed" ] || exit 0
text=$(said notice-end)
idle=$(said notice-idle)
[ -z "$text" ] || [ -z "$idle" ] || text+=$'\\n'
text+=$idle
notice=${HOME}/${NOTICE_FILE}
if [ -z "$text" ]; then
  rm -f "$notice" 2>/dev/null
  exit
fi
made=${HOME}/.${NOTICE_FILE}.$RANDOM$RANDOM
set -o noclobber
printf '%s\\n' "$text" >"$made" || exit 1
chown --no-dereference --reference=${HOME} "$made"
mv -T "$made" "$notice" || { rm -f "$made"; exit 1; }
`;
