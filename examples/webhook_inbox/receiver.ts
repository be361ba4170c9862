/** The application's side: takes mail that our server has signed. Prints for whom it is and the subject. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";

const secret = Deno.env.get("HOOK_SECRET")!, port = Number(Deno.env.get("PORT") ?? 8000);

Deno.serve({ hostname: "127.0.0.1", port }, async (request) => {
  const body = await request.text(), signature = request.headers.get("postern-signature") ?? "";
  const [, time, given] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
  const expected = createHmac("sha256", secret).update(`${time}.${body}`).digest();
  const fresh = Math.abs(Date.now() / 1000 - Number(time)) < 300; // an old request is not played again
  if (!given || !fresh || !timingSafeEqual(expected, Buffer.from(given, "hex"))) {
    return new Response("not signed by us", { status: 401 });
  }
  const { recipients, raw } = JSON.parse(body), [, subject] = /^Subject: (.*)$/mi.exec(atob(raw)) ?? [];
  for (const { original } of recipients) console.log(`for ${original}: ${subject?.trim()}`);
  return new Response(); // only now it is ours: on anything but 2xx it would come again
});
