//! Places: which one is nearest, how far, inside or not, open or not.
//!
//! Distances are great-circle on a sphere of 6,371,008.8 m (IUGG mean radius), computed with
//! `libm` so that every machine gets the same bits; at the scale of shops the error against the
//! ellipsoid is below 0.6 %.

use std::collections::BTreeMap;

use model::things::{Area, Hours, Place};
use model::touch::Location;

const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// A cell is a tenth of a degree: 11 km north to south, less east to west.
const CELL_E7: i32 = 1_000_000;

/// Which places lie in which cell. A place lies in every cell that its bounding box touches.
#[derive(Default)]
pub struct Grid {
    cells: BTreeMap<(i32, i32), Vec<Box<str>>>,
}

impl Grid {
    pub fn add(&mut self, id: &str, area: &Area) {
        for cell in cells_of(area) {
            let ids = self.cells.entry(cell).or_default();
            if let Err(at) = ids.binary_search_by(|own| (**own).cmp(id)) {
                ids.insert(at, id.into());
            }
        }
    }

    pub fn remove(&mut self, id: &str, area: &Area) {
        for cell in cells_of(area) {
            if let Some(ids) = self.cells.get_mut(&cell) {
                ids.retain(|own| **own != *id);
            }
        }
    }

    /// Ids of the places in the cell of `here` and the eight around it.
    pub fn around(&self, here: Location) -> impl Iterator<Item = &str> {
        let (row, column) = cell(here);
        let rows = (row - 1)..=(row + 1);
        rows.flat_map(move |row| {
            ((column - 1)..=(column + 1)).map(move |column| (row, wrap(column)))
        })
        .filter_map(|cell| self.cells.get(&cell))
        .flatten()
        .map(|id| &**id)
    }
}

fn cell(location: Location) -> (i32, i32) {
    (location.lat_e7.div_euclid(CELL_E7), wrap(location.lon_e7.div_euclid(CELL_E7)))
}

/// 180° east is 180° west.
fn wrap(column: i32) -> i32 {
    (column + 1800).rem_euclid(3600) - 1800
}

fn cells_of(area: &Area) -> Vec<(i32, i32)> {
    let (low, high) = match area {
        Area::Nowhere => return Vec::new(),
        Area::Circle { center, .. } => (*center, *center),
        Area::Polygon(corners) => bounds(corners),
    };
    let (from, to) = (cell(low), cell(high));
    // A polygon that spans a continent is found through its corners only.
    if to.0 - from.0 > 20 || to.1 - from.1 > 20 || to.1 < from.1 {
        return vec![from, to];
    }
    (from.0..=to.0).flat_map(|row| (from.1..=to.1).map(move |column| (row, column))).collect()
}

fn bounds(corners: &[Location]) -> (Location, Location) {
    let mut low = Location { lat_e7: i32::MAX, lon_e7: i32::MAX };
    let mut high = Location { lat_e7: i32::MIN, lon_e7: i32::MIN };
    for corner in corners {
        low.lat_e7 = low.lat_e7.min(corner.lat_e7);
        low.lon_e7 = low.lon_e7.min(corner.lon_e7);
        high.lat_e7 = high.lat_e7.max(corner.lat_e7);
        high.lon_e7 = high.lon_e7.max(corner.lon_e7);
    }
    (low, high)
}

/// Metres from `here` to the edge of the area, 0 inside; `None` if nobody knows where it is.
pub fn distance_m(area: &Area, here: Location) -> Option<f64> {
    match area {
        Area::Nowhere => None,
        Area::Circle { center, radius_m } => {
            Some(libm::fmax(0.0, between_m(*center, here) - f64::from(*radius_m)))
        }
        Area::Polygon(corners) if corners.is_empty() => None,
        Area::Polygon(corners) if contains(corners, here) => Some(0.0),
        Area::Polygon(corners) => {
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            edges.map(|(a, b)| to_edge_m(*a, *b, here)).min_by(f64::total_cmp)
        }
    }
}

/// Great-circle distance (haversine).
pub fn between_m(a: Location, b: Location) -> f64 {
    let (lat_a, lat_b) = (a.lat().to_radians(), b.lat().to_radians());
    let half_lat = libm::sin((lat_b - lat_a) / 2.0);
    let half_lon = libm::sin((b.lon() - a.lon()).to_radians() / 2.0);
    let h = half_lat * half_lat + libm::cos(lat_a) * libm::cos(lat_b) * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * libm::asin(libm::sqrt(libm::fmin(1.0, h)))
}

/// Distance to the edge a-b on the plane that touches the sphere at `here`.
fn to_edge_m(a: Location, b: Location, here: Location) -> f64 {
    let scale = libm::cos(here.lat().to_radians());
    let flat = |point: Location| {
        let x = (point.lon() - here.lon()).to_radians() * scale * EARTH_RADIUS_M;
        let y = (point.lat() - here.lat()).to_radians() * EARTH_RADIUS_M;
        (x, y)
    };
    let ((ax, ay), (bx, by)) = (flat(a), flat(b));
    let (dx, dy) = (bx - ax, by - ay);
    let length2 = dx * dx + dy * dy;
    let along = if length2 == 0.0 { 0.0 } else { (-(ax * dx + ay * dy) / length2).clamp(0.0, 1.0) };
    let (x, y) = (ax + along * dx, ay + along * dy);
    libm::sqrt(x * x + y * y)
}

/// Whether a ray from the point crosses the border an odd number of times.
fn contains(corners: &[Location], here: Location) -> bool {
    let mut inside = false;
    for (a, b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        if (a.lat_e7 > here.lat_e7) != (b.lat_e7 > here.lat_e7) {
            let share = (here.lat() - a.lat()) / (b.lat() - a.lat());
            if here.lon() < a.lon() + share * (b.lon() - a.lon()) {
                inside = !inside;
            }
        }
    }
    inside
}

/// Whether it is open at this local weekday (1 = Monday) and minute; `None` without hours.
pub fn is_open(place: &Place, weekday: u8, minute: u16) -> Option<bool> {
    if place.hours.is_empty() {
        return None;
    }
    let yesterday = if weekday == 1 { 7 } else { weekday - 1 };
    let covers = |hours: &Hours| {
        let today = hours.weekday == weekday && (hours.from_min..hours.to_min).contains(&minute);
        let late = hours.weekday == yesterday && minute + 1440 < hours.to_min;
        today || late
    };
    Some(place.hours.iter().any(covers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> Location {
        Location::degrees(lat, lon).expect("on earth")
    }

    #[test]
    fn berlin_to_munich() {
        let metres = between_m(at(52.5200, 13.4050), at(48.1351, 11.5820));
        assert!((metres - 504_400.0).abs() < 1_500.0, "{metres}");
    }

    #[test]
    fn a_circle_has_an_edge_and_an_inside() {
        let shop = Area::Circle { center: at(52.5, 13.4), radius_m: 50 };
        assert_eq!(distance_m(&shop, at(52.5, 13.4003)), Some(0.0));
        let metres = distance_m(&shop, at(52.501, 13.4)).expect("known");
        assert!((metres - 61.2).abs() < 1.0, "{metres}");
    }

    #[test]
    fn a_polygon_has_an_edge_and_an_inside() {
        let square = vec![at(1.0, 1.0), at(1.0, 1.01), at(1.01, 1.01), at(1.01, 1.0)];
        let area = Area::Polygon(square);
        assert_eq!(distance_m(&area, at(1.005, 1.005)), Some(0.0));
        let metres = distance_m(&area, at(1.005, 0.999)).expect("known");
        assert!((metres - 111.2).abs() < 1.0, "{metres}");
    }

    #[test]
    fn the_grid_finds_neighbours_across_the_date_line() {
        let mut grid = Grid::default();
        grid.add("fiji", &Area::Circle { center: at(-17.0, 179.99), radius_m: 10 });
        assert_eq!(grid.around(at(-17.0, -179.99)).collect::<Vec<_>>(), ["fiji"]);
        grid.remove("fiji", &Area::Circle { center: at(-17.0, 179.99), radius_m: 10 });
        assert_eq!(grid.around(at(-17.0, -179.99)).count(), 0);
    }

    #[test]
    fn hours_may_pass_midnight() {
        let bar = Place {
            id: "bar".into(),
            name: "Bar".into(),
            kind: "bar".into(),
            area: Area::Nowhere,
            zone: None,
            hours: vec![Hours { weekday: 7, from_min: 1200, to_min: 1440 + 120 }],
            beacons: Vec::new(),
            models: Vec::new(),
        };
        assert_eq!(is_open(&bar, 7, 1300), Some(true));
        assert_eq!(is_open(&bar, 1, 60), Some(true));
        assert_eq!(is_open(&bar, 1, 121), Some(false));
    }
}
