//! Distances on the Earth.

/// The mean radius of the Earth in metres, by the [IUGG](https://iugg.org).
const RADIUS: f64 = 6_371_008.8;

/// The metres between two points, each a latitude and a longitude in degrees, on a sphere: the
/// [haversine](https://en.wikipedia.org/wiki/Haversine_formula) of their difference. The Earth is flattened, so the true
/// distance differs by up to half a percent.
pub(super) fn distance(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (from_lat, to_lat) = (from.0.to_radians(), to.0.to_radians());
    let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
    let across = half(from_lat, to_lat) + from_lat.cos() * to_lat.cos() * half(from.1.to_radians(), to.1.to_radians());
    2.0 * RADIUS * across.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_a_globe() {
        let (berlin, sydney, quito) = ((52.5200, 13.4050), (-33.8688, 151.2093), (-0.1807, -78.4678));
        let table = [(berlin, sydney, 16_092_000.0), (berlin, quito, 10_150_000.0), (berlin, berlin, 0.0)];
        for (from, to, expected) in table {
            let found = distance(from, to);
            assert!((found - expected).abs() <= 0.005 * expected, "{from:?} to {to:?}: {found}");
            assert!((found - distance(to, from)).abs() < 1e-3);
        }
        let around = distance((0.0, 0.0), (0.0, 180.0));
        assert!((around - std::f64::consts::PI * RADIUS).abs() < 1.0);
        assert!(distance((10.0, 179.9), (10.0, -179.9)) < 22_000.0, "the date line is no border");
    }
}
