/**
 * Makes the inside of a pod: `enter --pod=DIR HOSTNAME UID SSHD GRACE_S PORT…`, run by unshare in namespaces of its own, then becomes
 * the pod's init. The root is an overlay of the host's, so that what is installed there is there; what must not be seen is covered.
 * See mount(8), pivot_root(8), setpriv(1), and Documentation/filesystems/overlayfs in the kernel.
 */
import { NOTICE_FILE } from "../driver.ts";
import { MOUNT_OPTIONS } from "../local-disks/image.ts";

export const ENTER_SCRIPT = `set -eu
umask 022
pod=$1 hostname=$2 uid=$3
shift 3
cd "\${pod#--pod=}"
echo "$hostname" >/proc/sys/kernel/hostname
# Before the pod adds its own.
mounts=$(cat /proc/self/mounts)

# Relative paths: the data directory may have a comma or a colon, which the options of an overlay have no room for.
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root

# An overlay does not show what is mounted below its root: bring what programs are made of (a /usr of its own, a GPU's libraries).
while read -r _ target _; do
  case $target in
    /usr | /usr/* | /opt | /opt/* | /nix | /nix/* | /lib*)
      [ -e ".$target" ] && mount --bind -o ro "$target" ".$target" ;;
  esac
done <<<"$mounts"

mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys

mount -t tmpfs -o nosuid,mode=755 dev dev
mkdir dev/pts dev/shm
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
while read -r device; do
  [ -e "$device" ] || continue
  if [ -d "$device" ]; then mkdir ".$device"; else : >".$device"; fi
  mount --bind "$device" ".$device"
done <../control/devices
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

# A link of the host's leads to the host's own files as long as this is not the root yet: /home is often one, /etc/hosts sometimes.
for place in run tmp var/tmp home etc/hosts etc/hostname etc/passwd etc/group etc/shadow; do
  if [ -L "$place" ]; then rm "$place"; fi
done

# The name server is often behind a link into /run, which the pod does not see.
rm -f etc/resolv.conf
cp -L /etc/resolv.conf etc/resolv.conf 2>/dev/null || :
cp -L /etc/hosts etc/hosts 2>/dev/null || :
# A pod of several is known to the others, and to itself, by an address of its own.
if ! cat ../control/hosts >>etc/hosts 2>/dev/null; then echo "127.0.1.1 $hostname" >>etc/hosts; fi
if [ -e ../control/ssh_config ]; then
  mkdir -p etc/ssh
  cat ../control/ssh_config etc/ssh/ssh_config >../ssh_config 2>/dev/null || :
  rm -f etc/ssh/ssh_config
  cp ../ssh_config etc/ssh/ssh_config
  chown "$uid" ../control/peer_key
fi
echo "$hostname" >etc/hostname
rm -f etc/ssh/ssh_host_*
{ grep -v '^dev:' /etc/passwd; echo "dev:x:$uid:$uid:gpu-dev:/home/dev:$BASH"; } >etc/passwd
{ grep -v '^dev:' /etc/group; echo "dev:x:$uid:"; } >etc/group
printf '%s:*:::::::\\n' root dev >etc/shadow
rm -f etc/shadow- etc/gshadow etc/gshadow-

# Before the pod's own directories, which may lie where the host has something to hide. What is not there yet may come: the overlay
# would show it. Only below what is already hidden nothing can be made, and need not be.
while IFS= read -r path; do
  if [ -f ".$path" ]; then
    mount --bind /dev/null ".$path"
  elif mkdir -p ".$path" 2>/dev/null; then
    mount -t tmpfs -o ro,nosuid,nodev,noexec,mode=755 hidden ".$path"
  fi
done <../control/masks

mkdir -p run tmp var/tmp home
mount -t tmpfs -o nosuid,nodev,mode=755 run run
mkdir run/sshd run/gpu-dev run/host
chmod 711 ../control
mount --bind ../control run/gpu-dev
chmod 1777 ../tmp
mount --bind -o nosuid,nodev ../tmp tmp
mount --bind -o nosuid,nodev ../tmp var/tmp
mount -t tmpfs -o nosuid,nodev,mode=755 home home
mkdir home/dev
homes=..
if [ -e ../control/disk ]; then
  IFS= read -r homes <../control/disk
  if [ -e "$homes/image" ]; then
    if ! mount -o ${MOUNT_OPTIONS} "$homes/image" "$homes/mnt"; then
      echo "the disk cannot be mounted: its file system is damaged, or the machine has no loop device left" >../control/refused
      exit 1
    fi
    homes=$homes/mnt
  fi
  # What the pod before was told; a directory of that name is not ours.
  rm -f "$homes/home/${NOTICE_FILE}" 2>/dev/null || :
fi
# Nothing that depends on how many files there are: a disk may have millions.
if [ -z "$(find "$homes/home" -mindepth 1 -print -quit)" ]; then
  cp -R /etc/skel/. "$homes/home" 2>/dev/null || :
  chown -R "$uid:$uid" "$homes/home"
  chmod 700 "$homes/home"
fi
mount --bind -o nosuid,nodev "$homes/home" home/dev

pivot_root . run/host
umount -l /run/host
rmdir /run/host
# What sshd needs: to become the user, to lock its first stage in, to give a terminal away and to note that it did.
exec setpriv --bounding-set=-all,+setuid,+setgid,+sys_chroot,+chown,+audit_write --inh-caps=-all --no-new-privs \\
  bash /run/gpu-dev/init "$pod" /run/gpu-dev "$@"
`;
