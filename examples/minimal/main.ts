import { createServer, on, reject } from "postern";

const no_sales = on("rcpt", (ctx, next) => {
  return ctx.recipient.address.local === "sales" ? reject("5.7.1", "We buy nothing") : next();
});

const server = await createServer({ plugins: [no_sales], listen: Deno.env.get("POSTERN_SMTP") ?? "127.0.0.1:2525" });
console.log(`SMTP on ${server.host}:${server.port}`);
server.observe((event) => event.type === "accepted" && console.log(`${event.sender} wrote to ${event.recipients}`));
