/** STARTTLS and AUTH where a listener does not offer them: known, not done (RFC 5321 4.2.4, 502). */
import { reject } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

const NOT_HERE = reject("5.5.1", "Not offered here", { code: 502 });
export const starttls: Command = { verb: "STARTTLS", run: () => NOT_HERE };
export const auth: Command = { verb: "AUTH", run: () => NOT_HERE };
