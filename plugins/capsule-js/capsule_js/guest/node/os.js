// os: a sandbox has no machine to speak of; the values are the same everywhere.

const EOL = "\n";
const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };
const errno = {
  EPERM: 1, ENOENT: 2, EIO: 5, EBADF: 9, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EBUSY: 16, EEXIST: 17, EXDEV: 18,
  ENOTDIR: 20, EISDIR: 21, EINVAL: 22, EMFILE: 24, EFBIG: 27, ENOSPC: 28, EROFS: 30, ENAMETOOLONG: 36, ENOTEMPTY: 39,
  ELOOP: 40, ENOTSUP: 95, ECONNREFUSED: 111, ETIMEDOUT: 110,
};

export default {
  EOL,
  devNull: "/dev/null",
  constants: { signals, errno, priority: {}, dlopen: {} },
  arch: () => "wasm32",
  availableParallelism: () => 1,
  cpus: () => [{ model: "capsule", speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } }],
  endianness: () => "LE",
  freemem: () => 0,
  totalmem: () => 2 ** 32,
  homedir: () => process.env.HOME ?? "/",
  hostname: () => "capsule",
  loadavg: () => [0, 0, 0],
  machine: () => "wasm32",
  networkInterfaces: () => ({}),
  platform: () => process.platform,
  release: () => "1.0.0",
  tmpdir: () => process.env.TMPDIR ?? "/tmp",
  type: () => "Linux",
  uptime: () => process.uptime(),
  userInfo: () => ({ username: "capsule", uid: 1000, gid: 1000, shell: null, homedir: process.env.HOME ?? "/" }),
  version: () => "capsule",
};
