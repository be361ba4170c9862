/** Under test: sends a message, tries again where the server says "later" or is gone, and gives up where it says "never". */
import { createTransport, type SentMessageInfo } from "nodemailer";

export interface Retrying {
  /** Where the server is. */
  readonly host: string;
  readonly port: number;
  /** Attempts in all (default 5). */
  readonly attempts?: number;
  /** Milliseconds before the second one; doubled each time (default 100). */
  readonly wait?: number;
}

/** Gives the attempts that it took. @throws what the last one threw. */
export async function sendRetrying(to: string, { host, port, attempts = 5, wait = 100 }: Retrying): Promise<number> {
  const transport = createTransport({ host, port });
  for (let attempt = 1;; attempt++) {
    try {
      await transport.sendMail({ from: "shop@example.org", to, subject: "Your order", text: "It is on its way." });
      return attempt;
    } catch (error) {
      const { responseCode } = error as SentMessageInfo & { responseCode?: number };
      const forGood = responseCode !== undefined && responseCode >= 500; // a 4yz and a lost connection are for now
      if (forGood || attempt === attempts) throw error;
      await new Promise((wake) => setTimeout(wake, wait * 2 ** (attempt - 1)));
    }
  }
}

if (import.meta.main) {
  const [host, port] = (Deno.env.get("POSTERN_SMTP") ?? "127.0.0.1:2525").split(":");
  for (const name of ["you", "later", "drop", "gone", "full"]) {
    const said = await sendRetrying(`${name}@example.net`, { host: host!, port: Number(port) })
      .then((attempts) => `sent after ${attempts}`, (error: Error) => error.message);
    console.log(`${name}: ${said}`);
  }
}
