#include "server/ingest_routes.h"

#include <stop_token>

#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Result<IngestRequest> parse_request(std::string_view body) {
  const Json parsed = json_of_body(body);
  if (!parsed.is_object() || !parsed.contains("format") || !parsed.contains("files") ||
      !parsed["files"].is_array())
    return fail(Code::kInvalid, R"(send {"format":"csv","files":["/path"],"map":"/path"})");
  IngestRequest request;
  try {
    request.format = parsed["format"].get<std::string>();
    request.map = parsed.value("map", "");
    request.source = parsed.value("source", "");
    request.again = parsed.value("again", false);
    for (const Json& file : parsed["files"]) request.files.emplace_back(file.get<std::string>());
  } catch (const Json::exception&) {
    return fail(Code::kInvalid, "a member has the wrong type");
  }
  return request;
}

Json counts_json(const IngestCounts& counts) {
  return {{"rows", counts.rows}, {"events", counts.events}, {"quarantined", counts.quarantined}};
}

Json progress_json(const IngestProgress& progress) {
  Json out = counts_json(progress.counts);
  out["file"] = progress.file;
  out["bytes_done"] = progress.bytes_done;
  out["bytes_total"] = progress.bytes_total;
  out["rows_per_second"] = progress.rows_per_second;
  return out;
}

Json result_json(const IngestResult& result) {
  Json out = counts_json(result.counts);
  out["skipped_files"] = result.skipped_files;
  out["failed_files"] = result.failed_files;
  out["files"] = Json::array();
  for (const IngestFileResult& file : result.files) {
    Json one = counts_json(file.counts);
    one["file"] = file.file.string();
    one["source"] = file.source;
    one["skipped"] = file.skipped;
    one["error"] = file.error ? Json(file.error->text()) : Json();
    out["files"].push_back(std::move(one));
  }
  return out;
}

Json error_json(const Error& error) {
  return {{"code", code_name(error.code)}, {"message", error.text()}};
}

void run_ingest(Ingest& ingest, const IngestRequest& request, const std::shared_ptr<ResponseStream>& stream) {
  const auto write = [&](const char* name, const Json& value) {
    stream->write(json_text({{name, value}}) + "\n");
  };
  std::stop_source stop;
  stream->on_close([stop]() mutable { stop.request_stop(); });
  const Result<IngestResult> result = ingest.run(
      request, [&](const IngestProgress& progress) { write("progress", progress_json(progress)); },
      stop.get_token());
  if (result) {
    write("result", result_json(*result));
  } else {
    write("error", error_json(result.error()));
  }
  stream->end();
}

}  // namespace

void add_ingest_routes(Router& router, Ingest& ingest, WorkerPool& ingests) {
  router.add("POST", "/v1/ingest", {Access::kAdmin, false}, [&](const std::shared_ptr<Exchange>& exchange) {
    Result<IngestRequest> request = parse_request(exchange->request.body());
    if (!request) return exchange->send_error(request.error());
    Status queued = ingests.submit([&ingest, exchange, request = *std::move(request)] {
      run_ingest(ingest, request, exchange->start_stream("application/x-ndjson"));
    });
    if (!queued)
      exchange->send_error({Code::kOverloaded,
                            "other ingests run, and as many as may are waiting; try again when one is done",
                            ""});
  });
}

}  // namespace millrace
