//! Bucket policies: what parses decides, and is parsed again as it was.
#![no_main]

use headwater_base::Caller;
use headwater_identity::Policy;
use headwater_wire::RequestKeys;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, action, resource) = input;
    if let Ok(policy) = Policy::of_bucket(text, "bucket") {
        let mut keys = RequestKeys::default();
        keys.set("aws:sourceip", action);
        keys.set("s3:prefix", resource);
        let said = policy.decide(&Caller::anonymous(), action, resource, &keys);
        let again = Policy::parse_bucket(text).expect("what was accepted is read again");
        assert_eq!(again.decide(&Caller::anonymous(), action, resource, &keys), said);
        assert_eq!(again.bucket_traits(), policy.bucket_traits());
    }
});
