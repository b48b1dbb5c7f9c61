/** What each session of a pod of plain processes goes through: it starts in the pod's home instead of the account's. */
export const SESSION_SCRIPT = `#!/bin/sh
cd "$HOME" || exit 1
command=\${SSH_ORIGINAL_COMMAND-}
unset SSH_ORIGINAL_COMMAND
[ -z "$command" ] && exec "$SHELL" -l
exec "$SHELL" -c "$command"
`;
