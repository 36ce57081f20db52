// Any bytes as the files of a model's version, with hashes that are right: refused as damaged, or loaded, and
// then whoever asks is answered. A file begins with "--file NAME" on a line of its own; `settings` is what
// the manifest says of them, `model.json` the manifest itself.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/fault_env_testing.h"
#include "base/text.h"
#include "model/model_bundle.h"
#include "model/model_registry.h"

using namespace millrace;

namespace {

constexpr std::string_view kBegin = "\n--file ";
constexpr const char* kDir = "/m/1";

/// Take the next file off `rest`; its name is empty at the end.
std::pair<std::string, std::string_view> next_file(std::string_view& rest) {
  const std::size_t begin = rest.find(kBegin);
  if (begin == std::string_view::npos) return {};
  rest.remove_prefix(begin + kBegin.size());
  const std::size_t line = std::min(rest.find('\n'), rest.size());
  std::string name(rest.substr(0, line));
  rest.remove_prefix(std::min(line + 1, rest.size()));
  const std::string_view bytes = rest.substr(0, rest.find(kBegin));
  rest.remove_prefix(bytes.size());
  if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name.starts_with('.') ||
      !is_utf8(name))
    name.clear();
  return {std::move(name), bytes};
}

bool write_version(Env& env, std::string_view input) {
  nlohmann::json settings = nlohmann::json::object();
  std::string manifest;
  auto writer = BundleWriter::begin(env, kDir);
  if (!writer) std::abort();
  std::string_view rest = input;
  for (auto [name, bytes] = next_file(rest); !name.empty(); std::tie(name, bytes) = next_file(rest)) {
    if (name == "settings")
      settings = nlohmann::json::parse(bytes, nullptr, false);
    else if (name == "model.json")
      manifest = bytes;
    else if (!writer->add_bytes(name, bytes))
      return false;  // the same name twice
  }
  if (settings.is_discarded()) return false;
  if (!writer->finish({{"name", "m"}, {"version", "1"}, {"settings", settings}})) return false;
  return manifest.empty() || write_file_atomically(env, Path(kDir) / "model.json", manifest).has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FaultEnv env;
  if (!env.make_dirs("/m") || !write_version(env, {reinterpret_cast<const char*>(data), size})) return 0;
  const auto model = ServedModel::load(env, kDir);
  if (!model) {
    if (model.error().message.empty()) std::abort();
    return 0;
  }
  const std::vector<Feedback> history = {{.item = 0}, {.item = 3}, {.item = 1'000'000}};
  for (const bool known : {false, true}) {
    Person person{.history = history, .now = 1};
    if (known) person.user = 0;
    const auto list = (*model)->recommend(person, 10, true);
    for (const auto& [item, score] : list)
      if (score == -INFINITY) std::abort();
  }
  return 0;
}
