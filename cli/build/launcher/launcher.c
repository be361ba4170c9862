/*
 * The front of dist/postern: freestanding, no libc, one file for x86_64 and aarch64. It checks the file it stands in, puts
 * the modules into sealed memory files, maps the Deno that lies behind it straight from the file, and jumps into its
 * dynamic linker as the kernel would have. Nothing is unpacked: no folder, no first run, nothing that another user could
 * have planted. Non-job: what is in the modules (cli/build/entry.ts), who wrote the file (joined.ts has the same layout).
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#define SECTION(name) __attribute__((section(name)))

/* Filled in by cli/build/joined.ts, which finds it by its mark. Little-endian, as both processors are. */
struct image {
  u8 mark[16];
  u64 digest;    /* of the whole file with these eight octets zero */
  u64 size;      /* of the whole file */
  u64 deno;      /* where Deno begins, a multiple of 64 KiB */
  u64 deno_size;
  u64 words;     /* where the words for Deno stand, each ended by NUL */
  u64 words_size;
  u64 word_count;
  u64 modules;   /* where the table of modules stands: { offset, size } each */
  u64 module_count;
};
SECTION(".image") __attribute__((used)) static volatile struct image image = {
  .mark = "postern-joined-1",
};

/* ---- the system ---- */

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, OPEN_AT = 257, CLOSE = 3, FSTAT = 5, MMAP = 9, EXIT = 231, FCNTL = 72, MEMFD = 319,
  READLINK_AT = 267, PREAD = 17, SENDFILE = 40, MADVISE = 28, MUNMAP = 11 };
#define MACHINE 62
#define STAT_SIZE 6 /* in words of eight octets */
static i64 call(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  register i64 r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  i64 result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
    : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call begin\n hlt\n");
__attribute__((noreturn)) static void jump(u64 *stack, u64 entry) {
  __asm__ volatile("mov %0,%%rsp\n xor %%edx,%%edx\n xor %%ebp,%%ebp\n jmp *%1" : : "a"(stack), "c"(entry) : "memory");
  __builtin_unreachable();
}
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, OPEN_AT = 56, CLOSE = 57, FSTAT = 80, MMAP = 222, EXIT = 94, FCNTL = 25, MEMFD = 279,
  READLINK_AT = 78, PREAD = 67, SENDFILE = 71, MADVISE = 233,
  MUNMAP = 215 };
#define MACHINE 183
#define STAT_SIZE 6
static i64 call(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  register i64 x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
    x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n bl begin\n brk #1\n");
__attribute__((noreturn)) static void jump(u64 *stack, u64 entry) {
  register u64 x1 __asm__("x1") = (u64)stack, x16 __asm__("x16") = entry;
  __asm__ volatile("mov sp,x1\n mov x0,#0\n mov x29,#0\n mov x30,#0\n br x16" : : "r"(x1), "r"(x16) : "memory");
  __builtin_unreachable();
}
#endif

enum { AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_SECURE = 23,
  AT_EXECFN = 31 };
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_PRIVATE = 2, MAP_FIXED = 16, MAP_ANONYMOUS = 32,
  MAP_NORESERVE = 0x4000 };
enum { CWD = -100, CLOEXEC = 02000000, F_GETFD = 1, F_ADD_SEALS = 1033, F_DUPFD_CLOEXEC = 1030,
  MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, SEALED = 15, MADV_SEQUENTIAL = 2 };

/* Compilers may put calls of these in by themselves. */
void *memcpy(void *to, const void *from, u64 n) {
  for (u64 i = 0; i < n; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}
void *memset(void *to, int value, u64 n) {
  for (u64 i = 0; i < n; i++) ((u8 *)to)[i] = (u8)value;
  return to;
}
static u64 length(const char *text) {
  u64 n = 0;
  while (text[n]) n++;
  return n;
}
static int begins(const char *text, const char *with) {
  while (*with) if (*text++ != *with++) return 0;
  return 1;
}

/* ---- saying no: one line on standard error, exit code 1 ---- */

static char line[8192];
static u64 line_length;
static void say(const char *text) {
  for (; *text && line_length < sizeof line - 1; text++) {
    line[line_length++] = (u8)*text < 32 || *text == 127 ? '?' : *text;
  }
}
static void say_number(u64 n) {
  char digits[24];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + n % 10); while (n /= 10);
  say(digits + at);
}
__attribute__((noreturn)) static void end(void) {
  line[line_length++] = '\n';
  call(WRITE, 2, (i64)line, (i64)line_length, 0, 0, 0);
  for (;;) call(EXIT, 1, 0, 0, 0, 0, 0);
}
static char self_name[4096]; /* absolute, as the kernel has it */
static void no(void) {
  line_length = 0;
  say("postern: ");
  say(self_name[0] ? self_name : "this file");
  say(" ");
}
/* What failed, with the number of the error. */
__attribute__((noreturn)) static void failed(const char *what, i64 code) {
  no();
  say("cannot start: ");
  say(what);
  say(" (error ");
  say_number((u64)-code);
  say(")");
  end();
}

/* ---- the file ---- */

static u64 page;
static u64 down(u64 n, u64 to) { return n & ~(to - 1); }
static u64 up(u64 n, u64 to) { return down(n + to - 1, to); }
static i64 map(u64 at, u64 size, int prot, int flags, int fd, u64 offset) {
  return call(MMAP, (i64)at, (i64)size, prot, flags, fd, (i64)offset);
}
static int is_error(i64 result) { return result < 0 && result > -4096; }

static const u32 FACTOR = 0x9E3779B1u;
static u32 mixed(u32 lane, u32 word) {
  lane ^= word;
  return (lane << 13 | lane >> 19) * FACTOR;
}
/* Eight lanes, each step of each reversible: one changed octet always changes it. Damage, not malice. */
static u64 digest_of(const u8 *file, u64 size, u64 hole) {
  u32 lane[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
  u64 at = 0;
  for (; at + 32 <= size; at += 32) {
    const u32 *words = (const u32 *)(file + at);
    if (hole + 8 > at && hole < at + 32) {
      for (u64 i = 0; i < 8; i++) lane[i] = mixed(lane[i], at + i * 4 - hole < 8 ? 0 : words[i]);
    } else {
      for (u64 i = 0; i < 8; i++) lane[i] = mixed(lane[i], words[i]);
    }
  }
  for (u64 i = 0; at < size; at++, i = (i + 1) & 7) lane[i] = mixed(lane[i], file[at]);
  u32 first = (u32)size, second = ~(u32)size;
  for (u64 i = 0; i < 8; i++) {
    first = mixed(first, lane[i]);
    second = mixed(second, lane[7 - i]);
  }
  return (u64)first << 32 | second;
}

extern const u8 __image_at[]; /* from the linker: where the struct stands in the file */

static void check(int fd) {
  u64 stat[32];
  i64 code = call(FSTAT, fd, (i64)stat, 0, 0, 0, 0);
  if (code < 0) failed("its size cannot be read", code);
  u64 size = stat[STAT_SIZE];
  if (image.size == 0) {
    no();
    say("holds no Deno: it is the bare launcher");
    end();
  }
  if (size != image.size) {
    no();
    say("is damaged: it has ");
    say_number(size);
    say(" octets, and was made with ");
    say_number(image.size);
    say("; copy or build it again");
    end();
  }
  i64 file = map(0, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (is_error(file)) failed("it cannot be mapped", file);
  call(MADVISE, file, (i64)size, MADV_SEQUENTIAL, 0, 0, 0);
  u64 found = digest_of((const u8 *)file, size, (u64)__image_at + 16);
  if (found != image.digest) {
    no();
    say("is damaged: its contents are not those it was made with; copy or build it again");
    end();
  }
  call(MUNMAP, file, (i64)size, 0, 0, 0, 0);
}

/* ---- modules ---- */

/* Module k is /proc/self/fd/(first + k), until the process ends; its children do not get it. */
static u64 lay_modules(int self) {
  u64 count = image.module_count, first = 64;
  for (u64 i = 0; i < count; i++) {
    if (call(FCNTL, (i64)(first + i), F_GETFD, 0, 0, 0, 0) < 0) continue;
    first += i + 1; /* somebody handed us that one */
    i = (u64)-1; /* and look again from there */
  }
  for (u64 i = 0; i < count; i++) {
    u64 entry[2];
    i64 code = call(PREAD, self, (i64)entry, sizeof entry, (i64)(image.modules + i * sizeof entry), 0, 0);
    if (code != sizeof entry) failed("its table of modules cannot be read", code);
    i64 memory = call(MEMFD, (i64)"postern", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0, 0);
    if (memory < 0) failed("there is no memory file to be had", memory);
    u64 offset = entry[0], left = entry[1];
    while (left > 0) {
      code = call(SENDFILE, memory, self, (i64)&offset, (i64)left, 0, 0);
      if (code <= 0) failed("its modules cannot be laid into memory", code);
      left -= (u64)code;
    }
    call(FCNTL, memory, F_ADD_SEALS, SEALED, 0, 0, 0);
    i64 placed = call(FCNTL, memory, F_DUPFD_CLOEXEC, (i64)(first + i), 0, 0, 0);
    if (placed < 0) failed("too few files may be open for its modules: raise LimitNOFILE", placed);
    if ((u64)placed != first + i) failed("its modules have no place", 0);
    call(CLOSE, memory, 0, 0, 0, 0, 0);
  }
  return first;
}

/* ---- a program from the middle of a file ---- */

struct elf { u8 ident[16]; u16 type, machine; u32 version; u64 entry, phoff, shoff; u32 flags; u16 ehsize, phentsize, phnum; };
struct segment { u32 type, flags; u64 offset, address, physical, in_file, in_memory, align; };
enum { LOAD = 1, INTERPRETER = 3, PROGRAM_HEADERS = 6, SHARED = 3 };

struct loaded { u64 base, entry, headers, header_count; char interpreter[256]; };

/* As the kernel maps a position-independent program, with `start` as the first octet of its file. */
static struct loaded load(int fd, u64 start, const char *what) {
  struct elf head;
  struct segment segments[24];
  struct loaded result;
  result.interpreter[0] = 0;
  i64 code = call(PREAD, fd, (i64)&head, sizeof head, (i64)start, 0, 0);
  if (code != sizeof head || head.ident[0] != 0x7f || head.ident[1] != 'E' || head.type != SHARED ||
    head.machine != MACHINE || head.phentsize != sizeof *segments || head.phnum > 24) failed(what, code < 0 ? code : 0);
  u64 bytes = head.phnum * sizeof *segments;
  code = call(PREAD, fd, (i64)segments, (i64)bytes, (i64)(start + head.phoff), 0, 0);
  if (code != (i64)bytes) failed(what, code);
  u64 low = ~0ul, high = 0, align = page, headers = 0;
  for (int i = 0; i < head.phnum; i++) {
    struct segment *each = &segments[i];
    if (each->type == INTERPRETER && each->in_file < sizeof result.interpreter) {
      call(PREAD, fd, (i64)result.interpreter, (i64)each->in_file, (i64)(start + each->offset), 0, 0);
      result.interpreter[each->in_file] = 0;
    }
    if (each->type != LOAD) continue;
    if (each->address < low) low = each->address;
    if (each->address + each->in_memory > high) high = each->address + each->in_memory;
    if (each->align > align) align = each->align;
    if (head.phoff >= each->offset && head.phoff < each->offset + each->in_file) {
      headers = each->address + head.phoff - each->offset;
    }
  }
  low = down(low, page);
  u64 span = up(high, page) - low;
  i64 place = map(0, span + align, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (is_error(place)) failed(what, place);
  result.base = up((u64)place, align) - low;
  for (int i = 0; i < head.phnum; i++) {
    struct segment *each = &segments[i];
    if (each->type != LOAD) continue;
    int prot = (each->flags & 4 ? PROT_READ : 0) | (each->flags & 2 ? PROT_WRITE : 0) | (each->flags & 1 ? PROT_EXEC : 0);
    u64 begin = result.base + each->address, from = down(begin, page), before = begin - from;
    u64 file_end = begin + each->in_file, mapped_end = each->in_file ? up(file_end, page) : from;
    if (each->in_file) {
      code = map(from, each->in_file + before, prot, MAP_PRIVATE | MAP_FIXED, fd, start + each->offset - before);
      if (is_error(code)) failed(what, code);
      if (each->in_memory > each->in_file && (prot & PROT_WRITE)) memset((void *)file_end, 0, mapped_end - file_end);
    }
    u64 memory_end = up(begin + each->in_memory, page);
    if (memory_end > mapped_end) {
      code = map(mapped_end, memory_end - mapped_end, prot, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
      if (is_error(code)) failed(what, code);
    }
  }
  result.entry = result.base + head.entry;
  result.headers = result.base + headers;
  result.header_count = head.phnum;
  return result;
}

/* ---- words ---- */

static u64 first_module;
static char *made, *made_end; /* room for words that were filled in */

/* In a word @{exe} is this file, @{0} the first module: baked permissions name both. */
static char *filled(char *word) {
  int any = 0;
  for (char *at = word; *at; at++) if (at[0] == '@' && at[1] == '{') any = 1;
  if (!any) return word;
  char *start = made;
  for (char *at = word; *at;) {
    if (made_end - made < 8400) failed("its words are too long", 0);
    if (begins(at, "@{exe}")) {
      for (char *from = self_name; *from; from++) {
        if (*from == ',') *made++ = ','; /* it stands in lists of paths: Deno's way to write one */
        *made++ = *from;
      }
      at += 6;
    } else if (at[0] == '@' && at[1] == '{' && at[2] >= '0' && at[2] <= '9') {
      u64 n = 0;
      for (at += 2; *at >= '0' && *at <= '9'; at++) n = n * 10 + (u64)(*at - '0');
      if (*at == '}') at++;
      for (const char *from = "/proc/self/fd/"; *from;) *made++ = *from++;
      char digits[24];
      int place = sizeof digits;
      n += first_module;
      do digits[--place] = (char)('0' + n % 10); while (n /= 10);
      while (place < (int)sizeof digits) *made++ = digits[place++];
    } else *made++ = *at++;
  }
  *made++ = 0;
  return start;
}

/* Deno keeps a cache of what it has compiled, and runs what it finds there: here it has none, wherever it looks. */
static const char *const OWN_VARIABLES[] = { "DENO_DIR=/dev/null/none", "DENO_NO_UPDATE_CHECK=1" };
enum { OWN = sizeof OWN_VARIABLES / sizeof *OWN_VARIABLES };

/*
 * Variables of Deno and of Node can run other code in front of the program, ask another process for permissions, or write
 * files: of them it gets those that name authorities and size the heap. Started with the rights of another user or group,
 * Deno must not be steered by the caller's variables at all.
 */
static int left_out(const char *variable, u64 secure) {
  if (!begins(variable, "DENO_") && !begins(variable, "NODE_") && !begins(variable, "V8_")) return 0;
  return secure || (!begins(variable, "DENO_CERT=") && !begins(variable, "DENO_TLS_CA_STORE=") &&
    !begins(variable, "DENO_V8_FLAGS=") && !begins(variable, "NODE_EXTRA_CA_CERTS="));
}

/* RFC 3629. Deno panics on a word that is something else. */
static int is_text(const char *text) {
  for (const u8 *at = (const u8 *)text; *at;) {
    u32 first = *at++, more = first < 0x80 ? 0 : first < 0xc2 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 4;
    if (more == 4) return 0;
    if (more >= 2) {
      u32 second = *at;
      if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f)) return 0;
    }
    for (; more > 0; more--) if ((*at++ & 0xc0) != 0x80) return 0;
  }
  return 1;
}

__attribute__((used, noreturn)) void begin(u64 *stack) {
  u64 argc = stack[0];
  char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
  u64 envc = 0, auxc = 0, secure = 0;
  const char *execfn = 0;
  while (envp[envc]) envc++;
  u64 *auxv = (u64 *)(envp + envc + 1);
  page = 4096;
  for (; auxv[auxc * 2] != AT_NULL; auxc++) {
    u64 value = auxv[auxc * 2 + 1];
    if (auxv[auxc * 2] == AT_PAGESZ) page = value;
    if (auxv[auxc * 2] == AT_SECURE) secure = value;
    if (auxv[auxc * 2] == AT_EXECFN) execfn = (const char *)value;
  }

  i64 code = call(READLINK_AT, CWD, (i64)"/proc/self/exe", (i64)self_name, sizeof self_name - 1, 0, 0);
  if (code < 0) {
    if (execfn && length(execfn) < sizeof self_name) memcpy(self_name, execfn, length(execfn) + 1);
    failed("it finds itself, and its modules, under /proc, which is not there: mount it", code);
  }
  if (!is_text(self_name)) failed("the path at which it stands is no text in UTF-8", 0);
  for (u64 i = 0; i < argc; i++) if (!is_text(argv[i])) failed("a word of its command line is no text in UTF-8", 0);
  i64 self = call(OPEN_AT, CWD, (i64)"/proc/self/exe", CLOEXEC, 0, 0, 0);
  if (self < 0) failed("it cannot read itself: give read permission on it", self);
  check((int)self);
  first_module = lay_modules((int)self);

  i64 room = map(0, image.words_size + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (is_error(room)) failed("no memory", room);
  char *words = (char *)room;
  code = call(PREAD, self, (i64)words, (i64)image.words_size, (i64)image.words, 0, 0);
  if (code != (i64)image.words_size) failed("its words cannot be read", code);
  made = words + image.words_size;
  made_end = made + 65536;

  /* --deno WORDS: this very Deno with words of its own, for the children of `isolate: process`. */
  int plain = argc > 1 && !secure && length(argv[1]) == 6 && begins(argv[1], "--deno");
  u64 word_count = plain ? 0 : image.word_count;
  char **arguments = plain ? argv + 2 : argv + 1;
  u64 argument_count = argc == 0 ? 0 : plain ? argc - 2 : argc - 1;

  struct loaded deno = load((int)self, image.deno, "the Deno inside is not one for this machine");
  struct loaded linker;
  if (!deno.interpreter[0]) failed("the Deno inside names no dynamic linker", 0);
  i64 library = call(OPEN_AT, CWD, (i64)deno.interpreter, CLOEXEC, 0, 0, 0);
  if (library < 0) {
    no();
    say("cannot start: there is no ");
    say(deno.interpreter);
    say(": it needs the C library of GNU (glibc), as on Debian, Ubuntu, Fedora; not musl, as on Alpine");
    end();
  }
  linker = load((int)library, 0, "the dynamic linker cannot be loaded");
  call(CLOSE, library, 0, 0, 0, 0, 0);
  call(CLOSE, self, 0, 0, 0, 0, 0);

  /* argc, argv, 0, envp, 0, auxv: what a program finds at its start */
  u64 size = 1 + 1 + word_count + argument_count + 1 + envc + OWN + 1 + (auxc + 1) * 2;
  u64 *next = (u64 *)down((u64)__builtin_alloca(size * 8 + 64) + 16, 16), *at = next;
  *at++ = 1 + word_count + argument_count;
  *at++ = (u64)(argc > 0 ? argv[0] : self_name);
  for (u64 i = 0; i < word_count; i++) {
    *at++ = (u64)filled(words);
    words += length(words) + 1;
  }
  for (u64 i = 0; i < argument_count; i++) *at++ = (u64)(plain ? filled(arguments[i]) : arguments[i]);
  *at++ = 0;
  for (u64 i = 0; i < envc; i++) if (!left_out(envp[i], secure)) *at++ = (u64)envp[i];
  for (u64 i = 0; i < OWN; i++) *at++ = (u64)OWN_VARIABLES[i];
  *at++ = 0;
  for (u64 i = 0; i <= auxc; i++) {
    u64 key = auxv[i * 2], value = auxv[i * 2 + 1];
    if (key == AT_PHDR) value = deno.headers;
    if (key == AT_PHENT) value = sizeof(struct segment);
    if (key == AT_PHNUM) value = deno.header_count;
    if (key == AT_BASE) value = linker.base;
    if (key == AT_ENTRY) value = deno.entry;
    *at++ = key;
    *at++ = value;
  }
  jump(next, linker.entry);
}
