/** Hidden `gpu-dev ssh-proxy`: the same code as the lean entry that ssh_config names. */
export { main } from "../../tunnel/main.ts";
