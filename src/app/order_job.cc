#include "app/order_job.h"

#include <optional>
#include <utility>

#include "source/order_events.h"
#include "warehouse/source_orders.h"

namespace millrace {
namespace {

constexpr std::size_t kOrdersMax = 5'000;  // at a time

class OrderJob final : public Job {
 public:
  OrderJob(EventLog& log, Warehouse& warehouse, const std::vector<MysqlSource>& sources,
           const Contracts* contracts, std::stop_token stop)
      : log_(log), warehouse_(warehouse), contracts_(contracts), stop_(std::move(stop)) {
    for (const MysqlSource& source : sources)
      if (source.orders) mappings_.push_back(&*source.orders);
  }

  std::string_view name() const override { return "orders"; }
  Status start() override;
  Result<StepResult> step() override;

 private:
  Result<bool> tell(const OrderMapping& mapping, StepResult& done);

  EventLog& log_;
  Warehouse& warehouse_;
  const Contracts* const contracts_;
  const std::stop_token stop_;
  std::vector<const OrderMapping*> mappings_;
  std::unique_ptr<SourceOrders> orders_;
};

Status OrderJob::start() {
  std::vector<OrderTables> tables;
  for (const OrderMapping* mapping : mappings_) tables.push_back(mapping->tables);
  MILLRACE_ASSIGN(orders_, SourceOrders::open(warehouse_, std::move(tables)));
  return {};
}

/// One source that fails does not stop the others.
Result<StepResult> OrderJob::step() {
  StepResult done;
  if (stop_.stop_requested()) return done;
  std::optional<Error> error;
  for (const OrderMapping* mapping : mappings_) {
    auto more = tell(*mapping, done);
    if (!more) {
      error = std::move(more).error();
    } else {
      done.more |= *more;
    }
  }
  if (error) return fail(*std::move(error));
  return done;
}

/// Return whether there may be more.
Result<bool> OrderJob::tell(const OrderMapping& mapping, StepResult& done) {
  MILLRACE_ASSIGN(auto changed, orders_->take(mapping.tables, kOrdersMax));
  if (changed.empty()) return false;
  OrderEvents events(log_, warehouse_.env(), mapping, contracts_);
  MILLRACE_ASSIGN(const auto told, events.tell(changed, stop_));
  MILLRACE_TRY(orders_->told(mapping.tables, changed));
  done.records += changed.size();
  done.events += told;
  return true;
}

}  // namespace

std::unique_ptr<Job> make_order_job(EventLog& log, Warehouse& warehouse,
                                    const std::vector<MysqlSource>& sources, const Contracts* contracts,
                                    std::stop_token stop) {
  return std::make_unique<OrderJob>(log, warehouse, sources, contracts, std::move(stop));
}

}  // namespace millrace
