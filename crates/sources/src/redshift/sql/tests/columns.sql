insert into sales select o.day, c.country, o.amount from orders o, customers c
-- day<orders.day country<customers.country revenue<orders.amount
insert into sales select day, country, amount from orders join customers on customer_id = customers.id
-- day<orders.day country<customers.country revenue<orders.amount
insert into sales (revenue, day) select amount, day from orders
-- revenue<orders.amount day<orders.day
create table t as select amount * 2 as twice, twice + id as more from orders
-- twice<orders.amount more<orders.amount,orders.id
create table t as select (select max(email) from customers c where c.id = o.customer_id) as email from orders o
-- email<customers.email
create table t as select d.x from (select amount x from orders) d
-- x<orders.amount
create table t as select d.y from (select amount, day from orders) as d (x, y)
-- y<orders.day
create table t (a, b) as select id, amount from orders
-- a<orders.id b<orders.amount
create view v (a) as select id from orders with no schema binding
-- a<orders.id
create table t as with x as (select id from orders), y as (select id k from x) select k from y
-- k<orders.id
create table t as with x (k) as (select id from orders) select k from x
-- k<orders.id
create table t as with orders as (select * from orders) select id from orders
-- id<orders.id
create table t as with recursive r (a, b) as (select id, customer_id from orders union all select b, a from r) select a from r
-- a<orders.customer_id,orders.id
create table t as with unused as (select email from customers) select id from orders
-- id<orders.id
create table t as select * from orders
-- id<orders.id customer_id<orders.customer_id amount<orders.amount day<orders.day
create table t as select c.* from orders o join customers c on true
-- id<customers.id email<customers.email country<customers.country
create table t as select * from wide join customers using (id)
-- id<wide.id email<customers.email country<customers.country
create table t as select * from wide natural join customers
-- id<wide.id email<customers.email country<customers.country
create table t as select * exclude (id, day) from orders
-- customer_id<orders.customer_id amount<orders.amount
create table t as select count(*), count(1) as n from orders
-- count< n<
insert into wide select id from orders union select id from customers
-- id<customers.id,orders.id
insert into wide select id from orders intersect select id from customers
-- id<customers.id,orders.id
insert into wide select id from orders minus select id from customers
-- id<orders.id
insert into wide (select id from orders) union all (select id from customers order by 1 limit 3)
-- id<customers.id,orders.id
create table t as select case when day > '2026-01-01' then amount else 0 end as x from orders
-- x<orders.amount
create table t as select sum(amount) over (partition by customer_id order by day rows between unbounded preceding and current row) as x from orders
-- x<orders.amount
create table t as select row_number() over (partition by customer_id order by day) as x from orders
-- x<
create table t as select lag(amount ignore nulls) over w as x from orders window w as (partition by day)
-- x<orders.amount
create table t as select listagg(distinct email, ',') within group (order by id) as x from customers
-- x<customers.email
create table t as select percentile_cont(0.5) within group (order by amount) as x from orders
-- x<orders.amount
create table t as select approximate count(distinct customer_id) as x, approximate percentile_disc(0.5) within group (order by amount) as y from orders
-- x<orders.customer_id y<orders.amount
create table t as select dateadd(day, id, getdate()) as x, datediff(month, day, sysdate) as y, extract(epoch from day) as z from orders
-- x<orders.id y<orders.day z<orders.day
create table t as select date_trunc('day', day) as x, day::timestamp without time zone as y, day at time zone 'utc' as z from orders
-- x<orders.day y<orders.day z<orders.day
create table t as select nvl2(id, amount, 0) as x, decode(id, 1, amount) as y, coalesce(id, amount) as z from orders
-- x<orders.amount,orders.id y<orders.amount,orders.id z<orders.amount,orders.id
create table t as select id::varchar(max) || '-' || amount::numeric(18,2) as x, convert(int, id) as y, cast(id as character varying(10)) as z from orders
-- x<orders.amount,orders.id y<orders.id z<orders.id
create table t as select id in (select id from customers) as x, exists (select 1 from customers) as y from orders
-- x<customers.id,orders.id y<
create table t as select id from orders qualify row_number() over (partition by id order by day) = 1
-- id<orders.id
create table t as select top 10 distinct id from orders
-- id<orders.id
create table t as select id, sum(amount) from orders group by grouping sets ((id), ()) having sum(amount) > 1
-- id<orders.id sum<orders.amount
create table t as select o.id from orders o, customers c where o.customer_id = c.id (+)
-- id<orders.id
create table t as select email ~ '^a' as x, email !~* 'b' as y, email similar to 'c' as z from customers
-- x<customers.email y<customers.email z<customers.email
create table t as select id from orders start with id = 1 connect by prior id = customer_id
-- id<orders.id
create table t as select "ID", "Day" as "The Day" from ORDERS
-- id<orders.id the day<orders.day
create table t as select id year, day as date, amount type from orders
-- year<orders.id date<orders.day type<orders.amount
create table t as select interval '1 day' * id as x, interval '1' day as y from orders
-- x<orders.id y<
create table t as select trim(both ' ' from email) as x, substring(email from 1 for 2) as y, position('a' in email) as z, left(email, 2) as a from customers
-- x<customers.email y<customers.email z<customers.email a<customers.email
create table t as select id from orders where (id, day) in (select id, day from sales)
-- id<orders.id
create table t as select max(id) from orders
-- max<orders.id
create table t as select current_date as x, sysdate as y, current_user as z from orders
-- x< y< z<
create table t as select json_parse(email).a.b[0]::varchar as x from customers
-- x<customers.email
create table t as select i.sku::varchar as sku, i.qty, n as n from events e, e.items i at n
-- sku<events.items qty<events.items n<
create table t as select e.items[0].sku as x, e.items.sku as y, items[0] as z from events e
-- x<events.items y<events.items z<events.items
create table t as select l.x from events e, e.items i, i.lines l
-- x<events.items
create table t as select l.x from events e left join e.items as l on true
-- x<events.items
create table t as select k, v from events e, unpivot e.items as v at k
-- k<events.items v<events.items
create table t as select events.id, i from events, events.items i
-- id<events.id i<events.items
create table t as select g, id from orders, generate_series(1, 10) as g
-- g< id<orders.id
create table t as select v.b from (values (1, 'a'), (2, 'b')) as v (a, b)
-- b<
create table t as select * from (select day, country, revenue from sales) pivot (sum(revenue) as total for country in ('NO' as no, 'SE'))
-- day<sales.day no_total<sales.revenue se_total<sales.revenue
create table t as select * from (select id, amount, customer_id from orders) unpivot (value for name in (amount, customer_id as c))
-- id<orders.id name< value<orders.amount,orders.customer_id
create table t as select l.email from orders o cross join lateral (select email from customers c where c.id = o.customer_id) l
-- email<customers.email
create table t as select dropped, o.gone from orders o
-- dropped<orders.dropped gone<orders.gone
create table t as select a, u.b from unknown u
-- a<unknown.a b<unknown.b
create table t as select a, email from unknown, customers
-- a<unknown.a email<customers.email
update sales set revenue = o.amount, day = sales.day + 1 from orders o where o.day = sales.day
-- revenue<orders.amount day<sales.day
with x as (select amount from orders) update sales set revenue = x.amount from x
-- revenue<orders.amount
update sales set (day, revenue) = (select day, amount from orders)
-- day<orders.amount,orders.day revenue<orders.amount,orders.day
merge into sales using (select day, amount from orders) o on sales.day = o.day when matched then update set revenue = o.amount when not matched then insert values (o.day, 'x', o.amount)
-- revenue<orders.amount day<orders.day country<
merge into sales using orders o on sales.day = o.day when matched then delete when not matched then insert (day, revenue) values (o.day, o.amount)
-- day<orders.day revenue<orders.amount
create table t as select * from orders o full join customers c using (id)
-- id<customers.id,orders.id customer_id<orders.customer_id amount<orders.amount day<orders.day email<customers.email country<customers.country
create table t as select id from orders full outer join customers using (id)
-- id<customers.id,orders.id
create table t as select id from orders right join customers using (id)
-- id<customers.id,orders.id
create table t as select id from orders left join customers using (id)
-- id<orders.id
create table t as select id from orders natural full join customers
-- id<customers.id,orders.id
create table t as select o.id as left_id, c.id as right_id from orders o full join customers c using (id)
-- left_id<orders.id right_id<customers.id
create table t as select id from orders full join customers using (id) full join wide using (id)
-- id<customers.id,orders.id,wide.id
create table t as select id from orders left join customers using (id) full join wide using (id)
-- id<orders.id,wide.id
create table t as select id from wide full join (orders full join customers using (id)) using (id)
-- id<customers.id,orders.id,wide.id
create table t as select day, id from orders join sales using (day) join customers using (id)
-- day<orders.day id<orders.id
create table t as select * from orders join sales using (day) join wide using (id)
-- id<orders.id day<orders.day customer_id<orders.customer_id amount<orders.amount country<sales.country revenue<sales.revenue
create table t as select x.* from wide w, (select * from orders join sales using (day)) x
-- day<orders.day id<orders.id customer_id<orders.customer_id amount<orders.amount country<sales.country revenue<sales.revenue
create table t as select * from wide full join unknown using (id)
-- id<unknown.id,wide.id
create table t as select id from unknown full join other using (id)
-- id<other.id,unknown.id
