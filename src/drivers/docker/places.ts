/** Places in a pod. */

/** What driver and pod tell each other: init, deadline, keys, notices. */
export const CONTROL = "/run/gpu-dev";
/** The directory of the disk that is the home, for its lock. */
export const DISK = "/run/gpu-dev-disk";
/** Of the account that users log in to, with whatever image. */
export const SSH_USER = "dev";
export const HOME = "/home/dev";
/** A pod ends itself this long after its deadline (L-18): the server, which ends it in time, goes first. */
export const GRACE_S = 60;
