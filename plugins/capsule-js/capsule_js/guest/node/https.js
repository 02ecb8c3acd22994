import { https } from "./http.js";

export default https;
