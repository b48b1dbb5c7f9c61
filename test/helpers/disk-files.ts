/** Scripts of bash that run among the files of a disk. */

/** What each file is and holds, a line for each. */
export const LIST = `find . -mindepth 1 -printf '%y %m %p %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0r sha256sum`;
/** Other files than before. */
export const FILL = `rm -rf -- * && mkdir -p src/deep && head -c "$((1 + RANDOM * 60))" /dev/urandom > data
  for i in 1 2 3 4 5 6 7 8; do head -c $RANDOM /dev/urandom > "src/deep/file $i"; done; ln -s ../data src/link`;
