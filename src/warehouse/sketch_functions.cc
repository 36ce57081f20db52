#include "warehouse/sketch_functions.h"

#include <memory>
#include <string>
#include <string_view>

#include "event/json_writer.h"
#include "warehouse/hyperloglog.h"
#include "warehouse/space_saving.h"

namespace millrace {
namespace {

constexpr const char* kNotASketch = "these bytes are not a sketch of this kind";

using AggregateFunction = duck::Owned<duckdb_aggregate_function, duckdb_destroy_aggregate_function>;
using ScalarFunction = duck::Owned<duckdb_scalar_function, duckdb_destroy_scalar_function>;

/// A column of text or bytes of a chunk.
class TextColumn {
 public:
  TextColumn(duckdb_data_chunk chunk, idx_t column) {
    auto* vector = duckdb_data_chunk_get_vector(chunk, column);
    data_ = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
    validity_ = duckdb_vector_get_validity(vector);
  }
  bool is_null(idx_t row) const {
    return validity_ != nullptr && !duckdb_validity_row_is_valid(validity_, row);
  }
  std::string_view at(idx_t row) const {
    return {duckdb_string_t_data(&data_[row]), duckdb_string_t_length(data_[row])};
  }

 private:
  duckdb_string_t* data_;
  std::uint64_t* validity_;
};

void set_null(duckdb_vector result, idx_t row) {
  duckdb_vector_ensure_validity_writable(result);
  duckdb_validity_set_row_invalid(duckdb_vector_get_validity(result), row);
}

/// What DuckDB keeps for each group. It moves these bytes about, so they hold a pointer and nothing else.
template <class Sketch>
struct State {
  Sketch* sketch;

  static State& of(duckdb_aggregate_state state) { return *reinterpret_cast<State*>(state); }
  static idx_t size(duckdb_function_info) { return sizeof(State); }
  static void init(duckdb_function_info, duckdb_aggregate_state state) { of(state).sketch = nullptr; }
  static void destroy(duckdb_aggregate_state* states, idx_t count) {
    for (idx_t i = 0; i < count; ++i) delete std::exchange(of(states[i]).sketch, nullptr);
  }

  void take(Sketch&& other) {
    if (sketch == nullptr)
      sketch = new Sketch(std::move(other));
    else
      sketch->merge(other);
  }

  static void combine(duckdb_function_info, duckdb_aggregate_state* from, duckdb_aggregate_state* to,
                      idx_t count) {
    for (idx_t i = 0; i < count; ++i) {
      if (of(from[i]).sketch != nullptr) of(to[i]).take(Sketch(*of(from[i]).sketch));
    }
  }

  static void finalize(duckdb_function_info, duckdb_aggregate_state* states, duckdb_vector result,
                       idx_t count, idx_t offset) {
    for (idx_t i = 0; i < count; ++i) {
      if (of(states[i]).sketch == nullptr) {
        set_null(result, offset + i);
        continue;
      }
      const auto bytes = of(states[i]).sketch->bytes();
      duckdb_vector_assign_string_element_len(result, offset + i, bytes.data(), bytes.size());
    }
  }

  static void merge(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_aggregate_state* states) {
    const TextColumn values(chunk, 0);
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); ++i) {
      if (values.is_null(i)) continue;
      auto sketch = Sketch::parse(values.at(i));
      if (!sketch) return duckdb_aggregate_function_set_error(info, kNotASketch);
      of(states[i]).take(*std::move(sketch));
    }
  }
};

void add_distinct(duckdb_function_info, duckdb_data_chunk chunk, duckdb_aggregate_state* states) {
  const TextColumn values(chunk, 0);
  for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); ++i) {
    if (values.is_null(i)) continue;
    auto& state = State<HyperLogLog>::of(states[i]);
    if (state.sketch == nullptr) state.sketch = new HyperLogLog;
    state.sketch->add(values.at(i));
  }
}

void add_frequent(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_aggregate_state* states) {
  const TextColumn values(chunk, 0);
  auto* numbers = duckdb_data_chunk_get_vector(chunk, 1);
  const auto* k = static_cast<const std::int32_t*>(duckdb_vector_get_data(numbers));
  auto* validity = duckdb_vector_get_validity(numbers);
  for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); ++i) {
    if (values.is_null(i)) continue;
    if (validity != nullptr && !duckdb_validity_row_is_valid(validity, i)) continue;
    if (k[i] < 1 || k[i] > static_cast<std::int32_t>(SpaceSaving::kTopMax))
      return duckdb_aggregate_function_set_error(info, "topk takes 1 to 1000 values");
    auto& state = State<SpaceSaving>::of(states[i]);
    if (state.sketch == nullptr) state.sketch = new SpaceSaving(static_cast<std::uint32_t>(k[i]));
    state.sketch->add(values.at(i));
  }
}

/// Call `on_sketch(sketch, row)` for each sketch of the first column; a row without one gives NULL.
template <class Sketch, class F>
void each_sketch(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector result, F&& on_sketch) {
  const TextColumn values(chunk, 0);
  for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); ++i) {
    if (values.is_null(i)) {
      set_null(result, i);
      continue;
    }
    const auto sketch = Sketch::parse(values.at(i));
    if (!sketch) return duckdb_scalar_function_set_error(info, kNotASketch);
    on_sketch(*sketch, i);
  }
}

void count_distinct(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector result) {
  each_sketch<HyperLogLog>(info, chunk, result, [&](const HyperLogLog& sketch, idx_t row) {
    static_cast<std::int64_t*>(duckdb_vector_get_data(result))[row] =
        static_cast<std::int64_t>(sketch.estimate());
  });
}

void list_frequent(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_vector result) {
  each_sketch<SpaceSaving>(info, chunk, result, [&](const SpaceSaving& sketch, idx_t row) {
    const std::string text = frequent_json(sketch);
    duckdb_vector_assign_string_element_len(result, row, text.data(), text.size());
  });
}

template <class Sketch>
Status register_aggregate(duck::Connection& connection, const char* name,
                          std::initializer_list<duckdb_type> parameters, duckdb_aggregate_update_t update) {
  const AggregateFunction function(duckdb_create_aggregate_function());
  duckdb_aggregate_function_set_name(function.get(), name);
  for (const auto type : parameters) {
    const duck::LogicalType parameter(duckdb_create_logical_type(type));
    duckdb_aggregate_function_add_parameter(function.get(), parameter.get());
  }
  const duck::LogicalType bytes(duckdb_create_logical_type(DUCKDB_TYPE_BLOB));
  duckdb_aggregate_function_set_return_type(function.get(), bytes.get());
  duckdb_aggregate_function_set_functions(function.get(), State<Sketch>::size, State<Sketch>::init, update,
                                          State<Sketch>::combine, State<Sketch>::finalize);
  duckdb_aggregate_function_set_destructor(function.get(), State<Sketch>::destroy);
  if (duckdb_register_aggregate_function(connection.handle(), function.get()) == DuckDBSuccess) return {};
  return fail(Code::kInternal, std::string("DuckDB does not take the function ") + name);
}

Status register_scalar(duck::Connection& connection, const char* name, duckdb_type returned,
                       duckdb_scalar_function_t function_pointer) {
  const ScalarFunction function(duckdb_create_scalar_function());
  duckdb_scalar_function_set_name(function.get(), name);
  const duck::LogicalType bytes(duckdb_create_logical_type(DUCKDB_TYPE_BLOB));
  duckdb_scalar_function_add_parameter(function.get(), bytes.get());
  const duck::LogicalType type(duckdb_create_logical_type(returned));
  duckdb_scalar_function_set_return_type(function.get(), type.get());
  duckdb_scalar_function_set_function(function.get(), function_pointer);
  if (duckdb_register_scalar_function(connection.handle(), function.get()) == DuckDBSuccess) return {};
  return fail(Code::kInternal, std::string("DuckDB does not take the function ") + name);
}

}  // namespace

std::string frequent_json(const SpaceSaving& sketch) {
  std::string text;
  JsonWriter json(text);
  json.begin_array();
  for (const auto& entry : sketch.top()) {
    json.begin_object().member("value", entry.value);
    json.member("count", static_cast<std::int64_t>(entry.count));
    json.member("error", static_cast<std::int64_t>(sketch.error())).end_object();
  }
  json.end_array();
  return text;
}

Status register_sketch_functions(duck::Connection& connection) {
  constexpr auto kText = DUCKDB_TYPE_VARCHAR;
  constexpr auto kBytes = DUCKDB_TYPE_BLOB;
  MILLRACE_TRY(register_aggregate<HyperLogLog>(connection, "hll", {kText}, add_distinct));
  MILLRACE_TRY(register_aggregate<HyperLogLog>(connection, "hll_merge", {kBytes}, State<HyperLogLog>::merge));
  MILLRACE_TRY(
      register_aggregate<SpaceSaving>(connection, "topk", {kText, DUCKDB_TYPE_INTEGER}, add_frequent));
  MILLRACE_TRY(
      register_aggregate<SpaceSaving>(connection, "topk_merge", {kBytes}, State<SpaceSaving>::merge));
  MILLRACE_TRY(register_scalar(connection, "hll_count", DUCKDB_TYPE_BIGINT, count_distinct));
  return register_scalar(connection, "topk_list", kText, list_frequent);
}

}  // namespace millrace
