/** How an attempt ended, as one word: "401 not_logged_in". A refusal that is no problem document fails the test. */
import { problemOf } from "../rig.ts";

export async function refusal(response: Response): Promise<string> {
  const { status, code } = await problemOf(response);
  return `${status} ${code}`;
}
