/**
 * The first process of a pod, on the host's side: `start --pod=DIR COMMAND…`. It claims the directory and becomes the command.
 * The claim is a hard link, which only one process can ever make: whoever comes second, be it an init started by a server that
 * was killed meanwhile, finds it taken and goes. The pid in it stays right because the command is exec'ed. So does the lock on the
 * disk, which the kernel keeps for as long as the init lives.
 */
import { LOCK_FUNCTION } from "../local-disks/lock.ts";

export const START_SCRIPT = `set -eu
${LOCK_FUNCTION}
control=\${1#--pod=}/control
shift
echo $$ >"$control/claim.$$"
taken=0
ln "$control/claim.$$" "$control/claim" 2>/dev/null || taken=1
rm -f "$control/claim.$$"
[ "$taken" -eq 1 ] && exit 0
if [ -e "$control/disk" ]; then
  IFS= read -r volume <"$control/disk"
  exec 9<"$volume"
  if ! lock 9; then
    echo "another pod has the disk, or it is being copied" >"$control/refused"
    exit 1
  fi
fi
exec "$@"
`;
