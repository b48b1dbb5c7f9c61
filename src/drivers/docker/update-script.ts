/**
 * Changes a pod that runs: what is not set of `seconds`, `keys`, `end_notice` and `idle_notice` stays as it is. Terminals that nobody reads are not waited for; what is in the home belongs to the user, who may have put a link there, so that
 * the file is made under another name and renamed. Ends with 1 when the file of the notices is not there.
 */
import { NOTICE_FILE, type PodUpdate } from "../driver.ts";
import { keysText } from "../local/sshd-config.ts";
import { CONTROL, HOME } from "./places.ts";
import { quoted } from "./script.ts";
import { TOOLS } from "./tools.ts";

const UPDATE_SCRIPT = `set -u
PATH=${TOOLS}/bin
cd ${CONTROL}
umask 022
# Under a name of its own first: what others read is always whole.
if [ -n "\${seconds+x}" ]; then
  printf -v now '%(%s)T' -1
  echo "$((now + seconds))" >"deadline.$$" && mv "deadline.$$" deadline || exit 2
fi
if [ -n "\${keys+x}" ]; then
  printf %s "$keys" >"keys.$$" && mv "keys.$$" authorized_keys || exit 2
fi

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
[ -z "\${end_notice+x}" ] || tell notice-end "$end_notice"
[ -z "\${idle_notice+x}" ] || tell notice-idle "$idle_notice"
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

export function updateScript({ deadlineS, authorizedKeys, endNotice, idleNotice }: PodUpdate): string {
  const values = {
    seconds: deadlineS?.toString(),
    keys: authorizedKeys && keysText(authorizedKeys, undefined),
    end_notice: endNotice,
    idle_notice: idleNotice,
  };
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${quoted(value)}`],
  );
  return ["unset seconds keys end_notice idle_notice", ...given, UPDATE_SCRIPT].join("\n");
}
