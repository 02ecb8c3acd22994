// What stat and readdir give, and fs.constants.

export const constants = {
  F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2, COPYFILE_FICLONE_FORCE: 4,
  O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, O_DIRECTORY: 65536,
  S_IFMT: 0o170000, S_IFREG: 0o100000, S_IFDIR: 0o040000, S_IFLNK: 0o120000,
};

export const MODES = { directory: 0o040755, "symbolic-link": 0o120777, "regular-file": 0o100644 };

function milliseconds(time) {
  return time ? Number(time.seconds) * 1000 + time.nanoseconds / 1e6 : 0;
}

export class Stats {
  constructor(found) {
    this.dev = 0;
    this.ino = 0;
    this.mode = MODES[found.type] ?? 0o100644;
    this.nlink = Number(found.linkCount);
    this.uid = 1000;
    this.gid = 1000;
    this.rdev = 0;
    this.size = Number(found.size);
    this.blksize = 4096;
    this.blocks = Math.ceil(this.size / 512);
    this.atimeMs = milliseconds(found.dataAccessTimestamp);
    this.mtimeMs = milliseconds(found.dataModificationTimestamp);
    this.ctimeMs = milliseconds(found.statusChangeTimestamp);
    this.birthtimeMs = this.ctimeMs;
    for (const name of ["atime", "mtime", "ctime", "birthtime"]) this[name] = new Date(this[`${name}Ms`]);
  }
}

export class Dirent {
  constructor(name, parentPath, mode) {
    Object.assign(this, { name, parentPath, path: parentPath });
    Object.defineProperty(this, "mode", { value: mode });
  }
}

const KINDS = { isFile: 0o100000, isDirectory: 0o040000, isSymbolicLink: 0o120000 };
for (const made of [Stats, Dirent]) {
  for (const [name, kind] of Object.entries(KINDS)) {
    made.prototype[name] = function () {
      return (this.mode & constants.S_IFMT) === kind;
    };
  }
  for (const name of ["isBlockDevice", "isCharacterDevice", "isFIFO", "isSocket"]) made.prototype[name] = () => false;
}
