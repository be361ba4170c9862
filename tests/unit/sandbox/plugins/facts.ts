/** Leaves a fact of every kind. */
import { key, on } from "postern";

const FACTS = key("facts", "connection");

export default on("mail", (ctx, next) => {
  ctx.set(FACTS, {
    list: [1, "two", null, true, 3n],
    map: new Map([["a", [new Date(5)]]]),
    set: new Set([1]),
    octets: new Uint8Array([1, 2]),
    words: [0.5, -1],
  });
  return next();
}, { name: "facts" });
