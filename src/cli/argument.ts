/** The argument that names a reservation, as the commands that may go without it have it. */
import type { Argument } from "./command.ts";

/** `also`: where else than on any terminal it may be left out, or within what bounds there. */
export const reservationArgument = (also = ""): Argument => ({
  name: "reservation",
  summary: `Id, name, or the first 4 or more characters of the id; may be left out on a terminal${also}`,
  completes: "reservations",
});
