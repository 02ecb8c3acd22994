import fs from "./fs.js";

export default fs.promises;
