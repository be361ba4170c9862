/** From what is remembered to a number from -1 (nothing but good) to 1 (nothing but bad). Values only. */
import type { Remembered } from "./history.ts";

/** How much has to be known before it weighs as much as knowing nothing: of a client or domain, and of a network. */
const CLIENT = 5, NETWORK = 20;
/** As much of one client's deeds counts for its network as these; one guest does not speak for the whole house. */
export const SHARE = 10;

/** Nobody knows: 0. The more is known, the nearer it comes to what was seen. */
export function indexOf({ good, bad }: Remembered): number {
  return (bad - good) / (bad + good + CLIENT);
}

/** A network needs more, since many are in it. */
export function indexOfNetwork({ good, bad }: Remembered): number {
  return (bad - good) / (bad + good + NETWORK);
}

/**
 * Of a client: begins at half of what its network is worth, and goes by its own deeds once there are some.
 *
 * @param network what `indexOfNetwork` says
 */
export function indexOfClient({ good, bad }: Remembered, network: number): number {
  return (bad - good + CLIENT * network / 2) / (bad + good + CLIENT);
}
