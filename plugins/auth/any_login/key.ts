/** Marks a login that proves nothing. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** Set, and true, where `any_login` vouched: whoever gives rights to logins must give none to this one. */
export const UNPROVEN: Key<boolean, "connection"> = key("any_login", "connection", () => "the login proves nothing");
