/** Exit codes of sysexits.h that programs expect of a sendmail. Non-job: which failure is which (send.ts). */

/** The command line is wrong. */
export const EX_USAGE = 64;
/** The message or an address in it is wrong. */
export const EX_DATAERR = 65;
/** There is no such recipient. */
export const EX_NOUSER = 67;
/** The server says no. */
export const EX_UNAVAILABLE = 69;
/** Not now: whoever asks may try again. */
export const EX_TEMPFAIL = 75;
/** The configuration cannot be used. */
export const EX_CONFIG = 78;

export type SysExit =
  | typeof EX_USAGE
  | typeof EX_DATAERR
  | typeof EX_NOUSER
  | typeof EX_UNAVAILABLE
  | typeof EX_TEMPFAIL
  | typeof EX_CONFIG;
