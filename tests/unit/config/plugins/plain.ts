/** A plugin without options. */
import { on } from "postern";

export default on("helo", (_ctx, next) => next(), { name: "plain" });
