#include "source/sim_world.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::size_t kStyles = 4;
constexpr std::array<std::string_view, kStyles> kStyleWords = {"Rustic", "Plain", "Bright", "Fine"};

struct Department {
  std::string_view name;
  std::array<std::string_view, 2> shelves;
  double price_low;
  double price_high;
  std::array<std::string_view, 10> things;  ///< the first five stand on the first shelf
};

constexpr std::array<Department, 8> kDepartments = {{
    {"Garden",
     {"Tools", "Planting"},
     6,
     90,
     {"Rake", "Hand Trowel", "Hedge Shears", "Watering Can", "Wheelbarrow", "Seed Tray", "Clay Pot",
      "Raised Bed", "Trellis", "Compost Bin"}},
    {"Kitchen",
     {"Cooking", "Table"},
     8,
     140,
     {"Skillet", "Stock Pot", "Bread Knife", "Mortar", "Grater", "Soup Bowl", "Jug", "Salt Cellar",
      "Cake Stand", "Egg Cup"}},
    {"Workshop",
     {"Hand Tools", "Storage"},
     9,
     180,
     {"Chisel", "Block Plane", "Mallet", "Try Square", "Bench Vice", "Tool Roll", "Parts Cabinet", "Saw Rack",
      "Work Stool", "Screw Box"}},
    {"Lighting",
     {"Lamps", "Candles"},
     7,
     220,
     {"Desk Lamp", "Floor Lamp", "Lantern", "Wall Light", "Reading Light", "Beeswax Candle", "Candlestick",
      "Tea Light Set", "Candle Snuffer", "Storm Glass"}},
    {"Outdoor",
     {"Camp", "Trail"},
     10,
     260,
     {"Bell Tent", "Camp Chair", "Fire Pit", "Hammock", "Camp Kettle", "Day Pack", "Trail Flask", "Rain Cape",
      "Walking Pole", "Map Case"}},
    {"Paper",
     {"Writing", "Desk"},
     3,
     60,
     {"Notebook", "Fountain Pen", "Ink Bottle", "Letter Set", "Sketchbook", "Pen Tray", "Desk Diary",
      "File Box", "Paperweight", "Book End"}},
    {"Play",
     {"Games", "Making"},
     5,
     80,
     {"Chess Set", "Domino Box", "Puzzle", "Card Deck", "Spinning Top", "Kite", "Block Set", "Paint Box",
      "Puppet", "Marble Run"}},
    {"Bath",
     {"Care", "Linen"},
     4,
     70,
     {"Soap Bar", "Bath Brush", "Hand Balm", "Shaving Bowl", "Hair Comb", "Bath Towel", "Face Cloth",
      "Bath Mat", "Linen Robe", "Wash Bag"}},
}};

struct Country {
  std::string_view name;
  std::string_view city;
  double latitude;
  double longitude;
  double share;
};

constexpr std::array<Country, 10> kCountries = {{
    {"Germany", "Leipzig", 51.34, 12.37, .20},
    {"France", "Lyon", 45.76, 4.84, .15},
    {"Switzerland", "Zurich", 47.37, 8.54, .12},
    {"Italy", "Turin", 45.07, 7.69, .11},
    {"Spain", "Valencia", 39.47, -0.38, .10},
    {"Netherlands", "Utrecht", 52.09, 5.12, .09},
    {"Austria", "Graz", 47.07, 15.44, .08},
    {"Poland", "Gdansk", 54.35, 18.65, .06},
    {"Sweden", "Uppsala", 59.86, 17.64, .05},
    {"Portugal", "Porto", 41.15, -8.61, .04},
}};

struct Client {
  std::string_view device_type, os, browser, user_agent;
  double share;
};

constexpr std::array<Client, 4> kClients = {{
    {"mobile", "Android", "Chrome", "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile",
     .40},
    {"desktop", "Windows", "Firefox",
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0", .33},
    {"mobile", "iOS", "Safari",
     "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1", .17},
    {"tablet", "iPadOS", "Safari",
     "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1", .10},
}};

template <class Given, std::size_t n>
const Given& draw_by_share(const std::array<Given, n>& rows, SimWorld::Random& random) {
  double left = sim_uniform(random);
  for (const Given& row : rows) {
    if (left < row.share) return row;
    left -= row.share;
  }
  return rows.back();
}

SimProduct make_product(std::size_t index, SimWorld::Random& random) {
  const std::size_t department_index = index % kDepartments.size();
  const Department& department = kDepartments[department_index];
  const std::size_t nth = index / kDepartments.size();
  const std::size_t thing = nth % department.things.size();
  const std::size_t style = (nth / department.things.size() + thing) % kStyles;
  const std::size_t series = nth / (department.things.size() * kStyles);

  SimProduct product;
  product.id = fmt::format("P-{:04}", index + 1);
  product.name = fmt::format("{} {}", kStyleWords[style], department.things[thing]);
  if (series > 0) product.name += fmt::format(" No. {}", series + 1);
  product.category = fmt::format("{}/{}", department.name, department.shelves[thing < 5 ? 0 : 1]);
  product.department = department_index;
  product.style = style;
  const double span = department.price_high / department.price_low;
  const double price = department.price_low * std::pow(span, sim_uniform(random));
  product.price = Decimal::from_units(std::llround(price * 2) * (Decimal::kScale / 2) - 500);
  product.currency = "EUR";
  product.appeal = std::pow(1 - sim_uniform(random), -0.45);  // Pareto: a few products everybody wants
  return product;
}

SimPerson make_person(std::size_t index, SimWorld::Random& random) {
  SimPerson person;
  person.user_id = fmt::format("U-{:05}", index + 1);
  person.anonymous_id = fmt::format("A-{:05}-{:08x}", index + 1, random() & 0xffffffff);
  const Country& country = draw_by_share(kCountries, random);
  person.country = country.name;
  person.city = country.city;
  person.latitude = country.latitude;
  person.longitude = country.longitude;
  const Client& client = draw_by_share(kClients, random);
  person.device_type = client.device_type;
  person.os = client.os;
  person.browser = client.browser;
  person.user_agent = client.user_agent;
  person.favourite_department = sim_index(random, kDepartments.size());
  person.second_department =
      (person.favourite_department + 1 + sim_index(random, kDepartments.size() - 1)) % kDepartments.size();
  person.style = sim_index(random, kStyles);
  return person;
}

std::size_t taste_index(const SimPerson& person) {
  return (person.favourite_department * kDepartments.size() + person.second_department) * kStyles +
         person.style;
}

}  // namespace

double sim_uniform(SimWorld::Random& random) {
  return static_cast<double>(random() >> 11) * 0x1.0p-53;
}

std::size_t sim_index(SimWorld::Random& random, std::size_t n) {
  assert(n > 0);
  return std::min(n - 1, static_cast<std::size_t>(sim_uniform(random) * static_cast<double>(n)));
}

SimWorld SimWorld::make(const SimWorldOptions& options) {
  SimWorld world;
  world.options_ = options;
  Random random(options.seed);
  for (std::size_t i = 0; i < options.products; ++i) world.products_.push_back(make_product(i, random));
  for (std::size_t i = 0; i < options.people; ++i) world.people_.push_back(make_person(i, random));

  world.cumulative_.resize(kDepartments.size() * kDepartments.size() * kStyles);
  for (const SimPerson& person : world.people_) {
    std::vector<double>& sums = world.cumulative_[taste_index(person)];
    if (!sums.empty()) continue;
    double sum = 0;
    for (const SimProduct& product : world.products_) sums.push_back(sum += world.liking(person, product));
  }
  return world;
}

double SimWorld::liking(const SimPerson& person, const SimProduct& product) const {
  double factor = 1;
  if (product.department == person.favourite_department) factor = 30;
  if (product.department == person.second_department) factor = 12;
  if (product.style == person.style) factor *= 4;
  return product.appeal * factor;
}

const SimPerson& SimWorld::whose_taste(const SimPerson& person, Random& random) const {
  return options_.shuffle_tastes ? people_[sim_index(random, people_.size())] : person;
}

std::size_t SimWorld::choose_product(const SimPerson& person, Random& random) const {
  assert(!products_.empty());
  const std::vector<double>& sums = cumulative_[taste_index(whose_taste(person, random))];
  const double at = sim_uniform(random) * sums.back();
  const auto found = std::upper_bound(sums.begin(), sums.end(), at);
  return std::min(products_.size() - 1, static_cast<std::size_t>(found - sums.begin()));
}

std::size_t SimWorld::choose_among(const SimPerson& person, const std::vector<std::size_t>& offered,
                                   Random& random) const {
  const SimPerson& taste = whose_taste(person, random);
  const std::vector<double>& sums = cumulative_[taste_index(taste)];
  // Something outside the offer weighs as much as an average tenth of the shop.
  const double outside = sums.back() / 10;
  double total = outside;
  for (std::size_t product : offered) total += liking(taste, products_[product]);
  double left = sim_uniform(random) * total;
  for (std::size_t i = 0; i < offered.size(); ++i) {
    left -= liking(taste, products_[offered[i]]);
    if (left < 0) return i;
  }
  return offered.size();
}

std::size_t SimWorld::find_product(const std::string& id) const {
  const auto found =
      std::find_if(products_.begin(), products_.end(), [&](const SimProduct& p) { return p.id == id; });
  return static_cast<std::size_t>(found - products_.begin());
}

}  // namespace millrace
