export default function Shop() {
  return <h1>Example shop</h1>;
}
