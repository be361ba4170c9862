/** A module that somebody forgot to finish. */
export default 42;
