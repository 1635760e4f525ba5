// Snippets that must not compile, each with the message its author must see. tests/compile_fail/run
// compiles this file once per case: -DCASE_<name>.
#include "api/stream.h"

using namespace sluice;

struct Order {
  int64_t id = 0;
  Text customer;
  double price = 0;
};
SLUICE_RECORD(Order, id, customer, price);

struct Undescribed {
  int64_t id = 0;
};

struct HoldsUndescribed {
  Undescribed inner;
};
SLUICE_RECORD(HoldsUndescribed, inner);

template <class T>
struct TestSink : Sink<T> {
  std::string name() const override { return "sink"; }
  std::unique_ptr<SinkWriter<T>> create_writer() const override { return nullptr; }
};

struct NoAggregateAtAll {};

struct NotMergeable {
  int64_t create_accumulator() const { return 0; }
  void add(const Order&, int64_t& count) const { ++count; }
  int64_t get_result(const int64_t& count) const { return count; }
};

struct OrdersByText : KeyedProcessFunction<Text, Order, Order> {
  void process_element(const Order& order, Context&, Collector<Order>& out) override {
    out.collect(order);
  }
};

void build(StreamEnvironment& env) {
  const auto orders = env.from_elements<Order>({});
  (void)orders;
#if defined(CASE_control)
  orders.key_by(&Order::customer).process(OrdersByText{}).sink_to(TestSink<Order>());
#elif defined(CASE_not_a_record)
  orders.map([](const Order& order) { return Undescribed{order.id}; });
#elif defined(CASE_field_not_a_record)
  env.from_elements<HoldsUndescribed>({});
#elif defined(CASE_key_not_hashable)
  orders.key_by([](const Order& order) { return std::map<int64_t, int64_t>{{order.id, 1}}; });
#elif defined(CASE_sink_type_mismatch)
  orders.sink_to(TestSink<int64_t>());
#elif defined(CASE_map_not_callable)
  orders.map([](const Text& text) { return text; });
#elif defined(CASE_map_returns_nothing)
  orders.map([](const Order&) {});
#elif defined(CASE_filter_no_bool)
  orders.filter([](const Order& order) { return order.customer; });
#elif defined(CASE_flat_map_unknown)
  orders.flat_map([](const auto&, auto&) {});
#elif defined(CASE_not_an_aggregate)
  orders.key_by(&Order::id).window(TumblingEventTimeWindows::of(1h)).aggregate(NoAggregateAtAll{});
#elif defined(CASE_session_not_mergeable)
  orders.key_by(&Order::id).window(EventTimeSessionWindows::with_gap(1h)).aggregate(NotMergeable{});
#elif defined(CASE_process_other_key)
  orders.key_by(&Order::id).process(OrdersByText{});
#else
#error "no such case"
#endif
}
