/** The root module of a thread that talks SMTP, where the sources are; in a binary it is the program itself (cli/main.ts). */
import { isThread, serveOwner } from "./acceptor_thread.ts";

// In a test that imports this file there is no owner to serve.
if (isThread()) serveOwner();
