/** The project under test: somebody signs up and gets a mail with a code. It knows nothing of Postern. */
import { createTransport } from "nodemailer";

/** Where mail is handed in. */
export interface Mailer {
  readonly host: string;
  readonly port: number;
}

export async function signUp(address: string, mailer: Mailer): Promise<void> {
  const code = String(crypto.getRandomValues(new Uint32Array(1))[0]! % 1_000_000).padStart(6, "0");
  await createTransport({ host: mailer.host, port: mailer.port }).sendMail({
    from: "Shop <shop@example.org>",
    to: address,
    subject: "Welcome",
    text: `Your code is ${code}.`,
    html: `<p>Your code is <b>${code}</b>.</p>`,
  });
}
