/** Both documents; modules name each other as Node finds them. */
export default ["master", "agent"].map((name) => ({
  input: `${name}.json`,
  output: { path: `hey_${name}`, importFileExtension: ".js" },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
}));
