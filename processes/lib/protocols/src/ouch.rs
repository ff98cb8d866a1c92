//! Nasdaq OUCH 5.0: order entry, both directions.
//!
//! Big-endian; text left-justified and space-padded; prices are 8 bytes with 4 decimals. Most messages end with an
//! appendage: its length in 2 bytes (AL), then as many bytes of tag-values ([`Appendage`]). Where the venue is known
//! to leave AL out, the view accepts both forms; the encoders always write it.
//!
//! **UserRefNum** rises strictly within a session's day; the venue silently ignores a lower one, so a newer number
//! voids every lower one that was not sent yet.
//!
//! **Meanings of quantity.** As independent readers of Nasdaq's specification quote it (secondary sources):
//!
//! | message | its quantity is |
//! | --- | --- |
//! | [`EnterOrder`], [`ReplaceOrder`] | the total the owner is liable for over the whole replace chain: shares executed before **and shares decremented by self-match prevention** included. A chain of 500 with 100 executed that is replaced by 600 leaves 500 open |
//! | [`CancelOrder`] | the new intended total, executed shares included; 0 cancels all that is open |
//! | [`OrderCanceled`], [`AiqCanceled`] | a decrement of what was open |
//! | [`OrderReplaced`], [`OrderModified`] | the total shares **outstanding** after the change (one transcription of 5.0 and the earlier 4.x say so; agree it with the venue before trading) |
//!
//! **Price trap.** The highest limit price is $199,999.9900: $200,000.0000 and the largest integer are read as
//! *market orders*. The encoders refuse to write anything above it, and quantities of 0 or of a million and more.
//!
//! This module never numbers, remembers or judges orders.

/// Limit prices above this are market orders to the venue; 4 decimals.
pub const LIMIT_PRICE_MAX: u64 = 1_999_999_900;
/// Largest quantity of an order, in shares.
pub const QUANTITY_MAX: u32 = 999_999;

/// Whether a price, with 4 decimals, is read by the venue as a limit price.
#[must_use]
pub const fn is_limit_price(price: u64) -> bool {
    price <= LIMIT_PRICE_MAX
}

/// Whether an order may have this quantity.
#[must_use]
pub const fn is_order_quantity(quantity: u32) -> bool {
    quantity > 0 && quantity <= QUANTITY_MAX
}

/// Whether a cancel may name this new total.
#[must_use]
pub const fn is_cancel_quantity(quantity: u32) -> bool {
    quantity <= QUANTITY_MAX
}

/// A message that ends with an appendage. `required`: AL must be there; `optional`: the message may end before it.
macro_rules! ouch_message {
    (
        $(#[$doc:meta])*
        $module:ident: $view:ident, $repr:ident = $type:literal, $length:literal, appendage $presence:ident
        { $($fields:tt)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $view<'a> {
            bytes: &'a [u8; $length],
            appendage: $crate::ouch::Appendage<'a>,
        }

        impl<'a> $view<'a> {
            /// Shortest whole message, in bytes.
            pub const LENGTH_MIN: usize = $length + $crate::ouch::Appendage::presence_length(stringify!($presence));

            /// Checks type, length and the whole appendage; afterwards no getter can fail.
            ///
            /// # Errors
            /// Another type, fewer bytes than the table, or an appendage that does not end where the message ends.
            #[inline]
            pub fn new_checked(bytes: &'a [u8]) -> Result<Self, $crate::Malformed> {
                let (fixed, rest) = $crate::codec::split(bytes, $type)?;
                if bytes.len() < Self::LENGTH_MIN {
                    let (length, needed) = (bytes.len(), Self::LENGTH_MIN);
                    return Err($crate::Malformed::Short { message_type: $type, length, needed });
                }
                Ok(Self { bytes: fixed, appendage: $crate::ouch::Appendage::new_checked(rest, $length)? })
            }

            /// The optional fields.
            #[must_use]
            pub const fn appendage(&self) -> $crate::ouch::Appendage<'a> {
                self.appendage
            }
        }

        impl $repr {
            /// Writes the message with an empty appendage to the start of `out` and returns its length in bytes.
            ///
            /// # Errors
            /// Too little room, or a value that the protocol does not allow.
            pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, $crate::Unencodable> {
                self.encode_with(&[], out)
            }

            /// The same with optional fields.
            ///
            /// # Errors
            /// Too little room, or a value that the protocol does not allow.
            pub fn encode_with(
                &self,
                tags: &[$crate::ouch::TagValue<'_>],
                out: &mut [u8],
            ) -> Result<usize, $crate::Unencodable> {
                let needed = Self::LENGTH + $crate::ouch::Appendage::encoded_length(tags);
                let out = out.get_mut(..needed).ok_or($crate::Unencodable::NoRoom { needed })?;
                let length = self.encode_fixed(out)?;
                $crate::ouch::Appendage::encode(tags, &mut out[length..])?;
                Ok(needed)
            }
        }

        message_fields! { $(#[$doc])* $module: $view, $repr = $type, $length { $($fields)* } }
    };
}

mod appendage;
mod inbound;
mod outbound;

use crate::Alpha;
pub use appendage::{Appendage, TagValue, TagValues, tag};
pub use inbound::*;
pub use outbound::*;

/// A symbol.
pub type Symbol = Alpha<8>;
/// The client's own order id, echoed by the venue.
pub type ClOrdId = Alpha<14>;
/// A firm's four-letter id.
pub type Firm = Alpha<4>;

message_enum! {
    /// A message from the client to the venue.
    Inbound, InboundRepr {
        EnterOrder(EnterOrderRepr),
        ReplaceOrder(ReplaceOrderRepr),
        CancelOrder(CancelOrderRepr),
        ModifyOrder(ModifyOrderRepr),
        MassCancel(MassCancelRepr),
        DisableOrderEntry(DisableOrderEntryRepr),
        EnableOrderEntry(EnableOrderEntryRepr),
        AccountQuery(AccountQueryRepr),
    }
}

message_enum! {
    /// A message from the venue to the client.
    Outbound, OutboundRepr {
        SystemEvent(SystemEventRepr),
        OrderAccepted(OrderAcceptedRepr),
        OrderReplaced(OrderReplacedRepr),
        OrderCanceled(OrderCanceledRepr),
        AiqCanceled(AiqCanceledRepr),
        OrderExecuted(OrderExecutedRepr),
        BrokenTrade(BrokenTradeRepr),
        OrderRejected(OrderRejectedRepr),
        CancelPending(CancelPendingRepr),
        CancelReject(CancelRejectRepr),
        OrderPriorityUpdate(OrderPriorityUpdateRepr),
        OrderModified(OrderModifiedRepr),
        OrderRestated(OrderRestatedRepr),
        MassCancelResponse(MassCancelResponseRepr),
        DisableOrderEntryResponse(DisableOrderEntryResponseRepr),
        EnableOrderEntryResponse(EnableOrderEntryResponseRepr),
        AccountQueryResponse(AccountQueryResponseRepr),
    }
}
