/** Calls that take their time, and some that end their sandbox, at once or behind their answer. */
import { on } from "postern";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const explode = () =>
  setTimeout(() => {
    throw new Error("too late");
  }, 50);

export default on("mail", async (ctx, next) => {
  switch (ctx.sender?.local) {
    case "bad":
      explode();
      await pause(60_000);
      break;
    case "mine":
      await pause(40);
      explode();
      break;
    default:
      await pause(200);
  }
  return next();
}, { name: "crowd" });
