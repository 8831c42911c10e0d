//! The admin database `pgmoor`.

use std::rc::Rc;

use crate::login::Talk;
use crate::worker::Worker;

pub(crate) async fn serve(_worker: &Rc<Worker>, _talk: Talk, _user: &str, _admin: bool) {}
