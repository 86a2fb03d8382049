//! Bytes as people write them: digits in base 16, addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `0a1b…`
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// `0a:1b:…`
pub(crate) fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(":")
}

/// The address of four bytes or of sixteen; `::ffff:1.2.3.4` stays what it is.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits_and_an_address_four_or_sixteen_bytes() {
        assert_eq!([hex(&[0x0A, 0xF0, 0x00]), colons(&[0x0A, 0xF0, 0x00]), colons(&[])], ["0af000", "0a:f0:00", ""]);
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4];
        assert_eq!(address(&mapped).map(|address| address.to_string()).as_deref(), Some("::ffff:1.2.3.4"));
        assert_eq!([address(&[10, 0, 0, 1]).map(|address| address.is_ipv4()), address(&[1; 5]).map(|_| true)], [Some(true), None]);
    }
}
